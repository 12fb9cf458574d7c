//! What a playlist says about its files, to compare them with.

use super::{Chunk, ChunkFile, MediaPlaylist};
use crate::media::chunk::{Promise, Told};
use crate::media::ts::PACKET;

impl MediaPlaylist {
    /// Every file to store, as in [`MediaPlaylist::files`], with what is known about it.
    pub fn told(&self) -> impl Iterator<Item = (&ChunkFile, Told)> {
        let last = self.chunks.iter().rposition(|chunk| !chunk.is_gap);
        let inits =
            self.used_inits().map(|init| (init, Told { bytes: init.named(), ..Told::default() }));
        let chunks = self.chunks.iter().enumerate().filter(|(_, chunk)| !chunk.is_gap);
        inits.chain(chunks.map(move |(at, chunk)| (&chunk.file, chunk.told(Some(at) == last))))
    }
}

impl Chunk {
    fn told(&self, is_last: bool) -> Told {
        let (duration_ms, has_init) = (self.duration_ms, self.init.is_some());
        let is_rounded = self.is_rounded;
        let promise = Promise { duration_ms, is_rounded, has_init, may_run_on: is_last };
        Told { promise: Some(promise), bytes: self.file.named(), ..Told::default() }
    }
}

impl ChunkFile {
    /// The number of bytes that the URL names from `start` to `end`, as at Tencent VOD. `None` unless
    /// these are whole packets, because elsewhere `start` and `end` may mean anything.
    fn named(&self) -> Option<u64> {
        if self.range.is_some() {
            return None;
        }
        let url = self.link.url.expose();
        let number = |name: &str| {
            let (_, value) = url.query_pairs().find(|(key, _)| key == name)?;
            value.parse::<u64>().ok()
        };
        let bytes = number("end")?.checked_sub(number("start")?)?.checked_add(1)?;
        bytes.is_multiple_of(PACKET as u64).then_some(bytes)
    }
}
