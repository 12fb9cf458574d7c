//! HLS playlists (RFC 8216): their files, a playable copy, and the original without signatures.
//!
//! Only finished recordings are accepted: a playlist without `EXT-X-ENDLIST` or without segments is
//! refused, and so is one with a relevant tag that cannot be read.

mod copy;
mod cost;
mod identity;
mod link;
mod reader;
mod stored;
mod told;
mod variants;

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::ops::Range;

pub use copy::redacted_source;
pub use link::{Base, Link};
pub use variants::Variant;

use crate::media::mp4::{Mp4Error, check_no_page};
use crate::model::MediaUrl;
use reader::Reader;

/// The largest playlist to read, in bytes.
pub const MAX_BYTES: usize = 4 << 20;
/// The most segments of a playlist: at 2 s each, more than a day.
pub const MAX_CHUNKS: usize = 50_000;
/// The limit on the total length of a playlist's URLs, in bytes. With a long base URL, short lines
/// stand for long URLs.
pub const MAX_URL_BYTES: usize = 8 << 20;

/// Why a playlist cannot be archived. Never contains a URI, which may be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HlsError {
    /// More than [`MAX_BYTES`].
    #[error("the playlist has {0} bytes, more than any real one")]
    TooLarge(usize),
    /// More than [`MAX_CHUNKS`].
    #[error("the playlist names more than {MAX_CHUNKS} segments")]
    TooManyChunks,
    /// More than [`MAX_URL_BYTES`].
    #[error("the URLs of the playlist have more than {MAX_URL_BYTES} bytes together")]
    LongUrls,
    /// The first line is not `#EXTM3U`.
    #[error("not an HLS playlist: it is not text that begins with #EXTM3U")]
    NotHls,
    /// It is a page or a message instead.
    #[error("not an HLS playlist: it begins like {0}")]
    Page(&'static str),
    /// It has thumbnails for seeking, not media.
    #[error("the playlist lists no segments to play, only I-frames for seeking")]
    PicturesAlone,
    /// No `EXT-X-ENDLIST`: cut off, or still being written.
    #[error("the playlist has no end: it is cut off or still being written")]
    NoEnd,
    /// There is nothing to play.
    #[error("the playlist names no segments")]
    NoSegments,
    /// The segments are encrypted.
    #[error(
        "the segments are encrypted ({0}), so an archived copy could not be played\n\
         hint: save it manually while WeChat still has it and its key: `ffmpeg -i URL -c copy \
         broadcast.mp4` [RA503]"
    )]
    Encrypted(String),
    /// A tag or a line that cannot be read.
    #[error("the playlist is damaged: {0}")]
    Malformed(&'static str),
    /// A URI that cannot be fetched; segments count from 0.
    #[error("the URI of segment {0} cannot be fetched")]
    ChunkUri(usize),
    /// A master playlist whose variants have separate playlists for the sound.
    #[error(
        "every variant of the master playlist keeps its audio in a separate playlist, which is not \
         archived\nhint: save it manually while WeChat still has it: `ffmpeg -i URL -c copy \
         broadcast.mp4` [RA503]"
    )]
    SoundApart,
    /// A master playlist without an archivable variant.
    #[error("the master playlist has no variant with both video and audio")]
    NoVariant,
}

impl HlsError {
    /// Whether the cause may be a playlist that arrived torn, or something else in its place.
    pub fn may_be_torn(&self) -> bool {
        matches!(
            self,
            Self::NotHls
                | Self::Page(_)
                | Self::NoEnd
                | Self::NoSegments
                | Self::Malformed(_)
                | Self::ChunkUri(_)
        )
    }
}

/// A parsed playlist.
#[derive(Debug, Clone)]
pub enum Playlist {
    /// The variants, best first. Fetch the first that is available and parse it.
    Master(Vec<Variant>),
    /// The segments of a broadcast.
    Media(MediaPlaylist),
}

/// The segments of a broadcast, in order.
#[derive(Debug, Clone)]
pub struct MediaPlaylist {
    /// The initialisation sections (`EXT-X-MAP`) that segments refer to.
    pub inits: Vec<ChunkFile>,
    /// The segments.
    pub chunks: Vec<Chunk>,
    version: u64,
    target_seconds: u64,
}

/// A file to fetch and store.
#[derive(Debug, Clone)]
pub struct ChunkFile {
    /// The name to store it under: `chunk-000000.ts`, `init-000000.mp4`.
    pub name: String,
    /// Where to fetch it.
    pub link: Link,
    /// The byte range to fetch; `None` for the whole file.
    pub range: Option<Range<u64>>,
}

/// A segment.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// The file with its bytes.
    pub file: ChunkFile,
    /// Its duration in milliseconds.
    pub duration_ms: u64,
    /// Whether the duration is in whole seconds, as in early versions of the format.
    pub is_rounded: bool,
    /// Whether time stamps or the encoding change before it.
    pub discontinuity: bool,
    /// Its initialisation section, as an index into [`MediaPlaylist::inits`].
    pub init: Option<usize>,
    /// Whether the source itself lacks it (`EXT-X-GAP`), so there is nothing to fetch.
    pub is_gap: bool,
}

/// A file that is not stored, and the part of the broadcast that cannot be played without it.
#[derive(Debug, Clone)]
pub struct Lack<'a> {
    pub file: &'a ChunkFile,
    /// Where that part begins in the broadcast, in milliseconds.
    pub offset_ms: u64,
    /// Its duration in milliseconds. The durations of all lacks add up to what cannot be played, not
    /// counting gaps of the source.
    pub duration_ms: u64,
}

impl ChunkFile {
    /// The content type for the file's name.
    pub fn content_type(&self) -> &'static str {
        match self.name.rsplit('.').next() {
            Some("ts") => "video/mp2t",
            Some("m4s" | "mp4" | "m4v" | "cmfv") => "video/mp4",
            Some("m4a" | "cmfa") => "audio/mp4",
            Some("aac") => "audio/aac",
            Some("mp3") => "audio/mpeg",
            Some("ac3") => "audio/ac3",
            Some("vtt") => "text/vtt",
            _ => "application/octet-stream",
        }
    }
}

impl Playlist {
    /// Parses a playlist fetched from `base` without redirects.
    ///
    /// # Errors
    /// As [`Playlist::parse_from`].
    pub fn parse(bytes: &[u8], base: &MediaUrl) -> Result<Self, HlsError> {
        Self::parse_from(bytes, Base::new(base, base))
    }

    /// Parses a playlist fetched from `base`.
    ///
    /// # Errors
    /// When it is not a playlist, or is unfinished, encrypted or damaged; see [`HlsError`].
    pub fn parse_from(bytes: &[u8], base: Base<'_>) -> Result<Self, HlsError> {
        if bytes.len() > MAX_BYTES {
            return Err(HlsError::TooLarge(bytes.len()));
        }
        let text = text_of(bytes);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        // Some writers end lines with a CR alone.
        let mut lines = text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty());
        let first = lines.next().and_then(|line| line.strip_prefix("#EXTM3U"));
        if first.is_none_or(|rest| !(rest.is_empty() || rest.starts_with([' ', '\t', ':']))) {
            let page = check_no_page(bytes).err();
            return Err(match page {
                Some(Mp4Error::Page(like)) => HlsError::Page(like),
                _ => HlsError::NotHls,
            });
        }
        let mut reader = Reader::new(base);
        lines.try_for_each(|line| reader.take(line))?;
        reader.finish()
    }
}

/// The text of a playlist. If it is not UTF-8, for example because of titles in another encoding, every
/// non-ASCII byte is percent-encoded, which is how a URI appears in requests anyway.
fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte.is_ascii() {
            true => text.push(char::from(*byte)),
            // Writing to a string cannot fail.
            false => drop(write!(text, "%{byte:02X}")),
        }
    }
    Cow::Owned(text)
}

impl MediaPlaylist {
    /// The total duration of all segments in milliseconds.
    pub fn duration_ms(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.duration_ms).sum()
    }

    /// Every file to store: first the initialisation sections, then the segments. Excludes gaps of the
    /// source and sections that no other segment refers to.
    pub fn files(&self) -> impl Iterator<Item = &ChunkFile> {
        let chunks = self.chunks.iter().filter(|chunk| !chunk.is_gap);
        self.used_inits().chain(chunks.map(|chunk| &chunk.file))
    }

    /// The initialisation sections that segments need.
    fn used_inits(&self) -> impl Iterator<Item = &ChunkFile> {
        let chunks = self.chunks.iter().filter(|chunk| !chunk.is_gap);
        let used: HashSet<usize> = chunks.filter_map(|chunk| chunk.init).collect();
        let inits = self.inits.iter().enumerate().filter(move |(at, _)| used.contains(at));
        inits.map(|(_, init)| init)
    }

    /// Each chunk that needs an initialisation section, with that section.
    pub fn needed_inits(&self) -> impl Iterator<Item = (&ChunkFile, &ChunkFile)> {
        let init = |chunk: &Chunk| self.inits.get(chunk.init?);
        self.chunks.iter().filter_map(move |chunk| Some((&chunk.file, init(chunk)?)))
    }

    /// Renames all files to names with `prefix`.
    pub fn rename(&mut self, prefix: &str) {
        let chunks = self.chunks.iter_mut().map(|chunk| &mut chunk.file);
        for file in self.inits.iter_mut().chain(chunks) {
            file.name.insert_str(0, prefix);
        }
    }

    /// The playable duration in milliseconds, given the files that `is_stored` accepts.
    pub fn playable_ms(&self, is_stored: impl Fn(&ChunkFile) -> bool) -> u64 {
        let plays = |chunk: &&Chunk| self.plays(chunk, &is_stored);
        self.chunks.iter().filter(plays).map(|chunk| chunk.duration_ms).sum()
    }

    /// The missing files among those to store, in the order of the broadcast.
    pub fn lacks(&self, is_stored: impl Fn(&ChunkFile) -> bool) -> Vec<Lack<'_>> {
        let mut of_inits: Vec<Option<Lack<'_>>> = self.inits.iter().map(|_| None).collect();
        let mut lacks = Vec::new();
        let mut offset_ms: u64 = 0;
        for chunk in &self.chunks {
            let duration_ms = chunk.duration_ms;
            let is_there = is_stored(&chunk.file);
            let init = chunk.init.and_then(|at| Some((self.inits.get(at)?, of_inits.get_mut(at)?)));
            let init = init.filter(|(init, _)| !chunk.is_gap && !is_stored(init));
            if let Some((file, lack)) = init {
                let lack = lack.get_or_insert(Lack { file, offset_ms, duration_ms: 0 });
                let unplayable = if is_there { duration_ms } else { 0 };
                lack.duration_ms = lack.duration_ms.saturating_add(unplayable);
            }
            if !chunk.is_gap && !is_there {
                lacks.push(Lack { file: &chunk.file, offset_ms, duration_ms });
            }
            offset_ms = offset_ms.saturating_add(duration_ms);
        }
        lacks.extend(of_inits.into_iter().flatten());
        lacks.sort_by_key(|lack| lack.offset_ms);
        lacks
    }

    /// Whether a segment can be played: it and its initialisation section are stored.
    fn plays(&self, chunk: &Chunk, is_stored: &impl Fn(&ChunkFile) -> bool) -> bool {
        let init = chunk.init.and_then(|at| self.inits.get(at));
        !chunk.is_gap && is_stored(&chunk.file) && init.is_none_or(is_stored)
    }
}

#[cfg(test)]
mod tests;
