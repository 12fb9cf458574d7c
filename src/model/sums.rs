//! `SHA256SUMS`, as a manifest tells it.

use super::Manifest;

impl Manifest {
    /// The text of `SHA256SUMS`: every media object of the room, in the form `sha256sum -c` reads. An
    /// object that is damaged stands in it with the digest that was archived.
    pub fn sums(&self) -> String {
        let segments = self.segments.iter().filter_map(|s| s.sha256.zip(s.key.as_deref()));
        let playlist = self.wholes().filter_map(|whole| whole.sha256.zip(whole.key.as_deref()));
        let chunks = self.wholes().flat_map(|whole| &whole.chunks);
        let chunks = chunks.map(|chunk| (chunk.sha256, chunk.key.as_str()));
        let images = self.room.images.iter().filter_map(|i| i.sha256.zip(i.key.as_deref()));
        let all = segments.chain(playlist).chain(chunks).chain(images);
        all.map(|(sha256, key)| format!("{sha256}  {key}\n")).collect()
    }
}
