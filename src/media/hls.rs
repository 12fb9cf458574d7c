//! HLS playlists (RFC 8216): what they name, a playable copy, and the original without signatures.
//!
//! Only finished recordings are taken: a playlist without `EXT-X-ENDLIST` or without segments is
//! refused, as is one of which anything was lost in parsing. `m3u8-rs` passes over what it cannot
//! read, so it is handed only the lines that matter, and what it made of them is counted.

mod copy;
mod lines;

use std::collections::HashMap;
use std::ops::Range;

use m3u8_rs::{AlternativeMedia, ByteRange, Map, MasterPlaylist, MediaSegment, VariantStream};

pub use copy::redacted_source;

use crate::model::MediaUrl;

/// The largest playlist that is read, in bytes.
pub const MAX_BYTES: usize = 8 << 20;
/// The most segments of a playlist: at 2 s each, more than two days.
pub const MAX_CHUNKS: usize = 100_000;
/// The longest segment, in milliseconds. What is longer is no duration but damage.
const MAX_CHUNK_MS: f32 = 24.0 * 3_600_000.0;

/// Why a playlist cannot be archived. Never holds a URI, which may be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HlsError {
    /// More than [`MAX_BYTES`].
    #[error("the playlist has {0} bytes, more than any real one")]
    TooLarge(usize),
    /// More than [`MAX_CHUNKS`].
    #[error("the playlist names more than {MAX_CHUNKS} segments")]
    TooManyChunks,
    /// The first line is not `#EXTM3U`.
    #[error("not an HLS playlist: it does not begin with #EXTM3U")]
    NotHls,
    /// No `EXT-X-ENDLIST`: cut off, or still being written.
    #[error("the playlist has no end: it is cut off or still being written")]
    NoEnd,
    /// Nothing to play.
    #[error("the playlist names no segments")]
    NoSegments,
    /// The segments are encrypted.
    #[error("the segments are encrypted ({0}); what is archived could not be played")]
    Encrypted(String),
    /// A tag or a line that cannot be read.
    #[error("the playlist is damaged: {0}")]
    Malformed(&'static str),
    /// A URI that cannot be fetched; segments are counted from 0.
    #[error("the URI of segment {0} cannot be fetched")]
    ChunkUri(usize),
    /// A master playlist without a variant that could be archived.
    #[error("the master playlist has no variant that holds both picture and sound")]
    NoVariant,
}

/// A playlist that was read.
#[derive(Debug, Clone)]
pub enum Playlist {
    /// A choice of variants; this is the best of them. Fetch it and parse it.
    Master(MediaUrl),
    /// The segments of a broadcast.
    Media(MediaPlaylist),
}

/// The segments of a broadcast, in order.
#[derive(Debug, Clone)]
pub struct MediaPlaylist {
    /// Initialisation sections (`EXT-X-MAP`), which segments refer to.
    pub inits: Vec<ChunkFile>,
    /// The segments.
    pub chunks: Vec<Chunk>,
    version: usize,
    target_seconds: u64,
}

/// A file to fetch and store.
#[derive(Debug, Clone)]
pub struct ChunkFile {
    /// The name to store it under: `chunk-000000.ts`, `init-000000.mp4`.
    pub name: String,
    /// Where it is fetched.
    pub url: MediaUrl,
    /// The bytes of the file at `url` that belong to it; `None` for all.
    pub range: Option<Range<u64>>,
}

/// A segment.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// Its bytes.
    pub file: ChunkFile,
    /// Its duration in milliseconds.
    pub duration_ms: u64,
    /// Whether time stamps or encoding change before it.
    pub discontinuity: bool,
    /// Its initialisation section, as an index into [`MediaPlaylist::inits`].
    pub init: Option<usize>,
}

impl ChunkFile {
    /// The content type that goes with the name.
    pub fn content_type(&self) -> &'static str {
        match self.name.rsplit('.').next() {
            Some("ts") => "video/mp2t",
            Some("m4s" | "mp4") => "video/mp4",
            Some("aac") => "audio/aac",
            _ => "application/octet-stream",
        }
    }
}

impl Playlist {
    /// Reads a playlist that was fetched from `base`.
    ///
    /// # Errors
    /// When it is no playlist, not finished, encrypted, or damaged; see [`HlsError`].
    pub fn parse(bytes: &[u8], base: &MediaUrl) -> Result<Self, HlsError> {
        if bytes.len() > MAX_BYTES {
            return Err(HlsError::TooLarge(bytes.len()));
        }
        let lines = lines::needed(bytes)?;
        match m3u8_rs::parse_playlist_res(lines.text.as_bytes()) {
            Ok(m3u8_rs::Playlist::MasterPlaylist(master)) => {
                lines.check_master(&master)?;
                best_variant(master, base)
            }
            Ok(m3u8_rs::Playlist::MediaPlaylist(media)) => {
                if !lines.ended {
                    return Err(HlsError::NoEnd);
                }
                lines.check_media(&media)?;
                MediaPlaylist::new(media, base).map(Self::Media)
            }
            Err(_) => Err(HlsError::Malformed("it cannot be parsed")),
        }
    }
}

impl MediaPlaylist {
    fn new(media: m3u8_rs::MediaPlaylist, base: &MediaUrl) -> Result<Self, HlsError> {
        if media.segments.is_empty() {
            return Err(HlsError::NoSegments);
        }
        let mut this = Self {
            inits: Vec::new(),
            chunks: Vec::with_capacity(media.segments.len()),
            version: media.version.unwrap_or_default(),
            target_seconds: media.target_duration,
        };
        // Where the next range of a file begins, for ranges that do not say so.
        let mut ends = HashMap::new();
        for segment in media.segments {
            this.push(segment, base, &mut ends)?;
        }
        Ok(this)
    }

    /// Adds a segment, and its initialisation section where a new one is named.
    fn push(
        &mut self,
        segment: MediaSegment,
        base: &MediaUrl,
        ends: &mut HashMap<String, u64>,
    ) -> Result<(), HlsError> {
        let number = self.chunks.len();
        let mut init = self.chunks.last().and_then(|chunk| chunk.init);
        if let Some(Map { uri, byte_range, .. }) = segment.map {
            let url = resolve(base, &uri).ok_or(HlsError::ChunkUri(number))?;
            let range = byte_range.map(|range| absolute(&range, Some(0))).transpose()?;
            init = Some(self.inits.len());
            let name = format!("init-{:06}.{}", self.inits.len(), extension(&url));
            self.inits.push(ChunkFile { name, url, range });
        }
        if !(0.0..=MAX_CHUNK_MS / 1000.0).contains(&segment.duration) {
            return Err(HlsError::Malformed("a segment has an impossible duration"));
        }
        let url = resolve(base, &segment.uri).ok_or(HlsError::ChunkUri(number))?;
        let range = segment.byte_range;
        let range =
            range.map(|range| absolute(&range, ends.get(&segment.uri).copied())).transpose()?;
        if let Some(range) = &range {
            ends.insert(segment.uri, range.end);
        }
        let name = format!("chunk-{number:06}.{}", extension(&url));
        self.chunks.push(Chunk {
            file: ChunkFile { name, url, range },
            duration_ms: to_ms(segment.duration),
            discontinuity: segment.discontinuity,
            init,
        });
        Ok(())
    }

    /// The duration of all segments in milliseconds.
    pub fn duration_ms(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.duration_ms).sum()
    }

    /// Every file to store: initialisation sections first, then the segments.
    pub fn files(&self) -> impl Iterator<Item = &ChunkFile> {
        self.inits.iter().chain(self.chunks.iter().map(|chunk| &chunk.file))
    }
}

/// The variant of the highest bandwidth among those that hold all there is to see and to hear.
fn best_variant(master: MasterPlaylist, base: &MediaUrl) -> Result<Playlist, HlsError> {
    // A rendition with a URI of its own is not in the variant's segments.
    let apart = |group: &AlternativeMedia| group.uri.is_some().then(|| group.group_id.clone());
    let apart: Vec<String> = master.alternatives.iter().filter_map(apart).collect();
    let holds_all = |variant: &VariantStream| {
        let elsewhere =
            |group: &Option<String>| group.as_ref().is_some_and(|id| apart.contains(id));
        !variant.is_i_frame && !elsewhere(&variant.audio) && !elsewhere(&variant.video)
    };
    let variants = master.variants.into_iter().filter(holds_all);
    let best = variants.max_by_key(|variant| variant.bandwidth).ok_or(HlsError::NoVariant)?;
    resolve(base, &best.uri).map(Playlist::Master).ok_or(HlsError::NoVariant)
}

/// A URI of a playlist, resolved against the playlist's own URL.
fn resolve(base: &MediaUrl, uri: &str) -> Option<MediaUrl> {
    let uri = uri.trim();
    let joined = base.expose().join(uri).ok().filter(|_| !uri.is_empty())?;
    MediaUrl::parse(joined.as_str()).ok()
}

/// The bytes a byte range stands for; without an offset, those from `next` on.
fn absolute(range: &ByteRange, next: Option<u64>) -> Result<Range<u64>, HlsError> {
    let start = range.offset.or(next);
    let start = start.ok_or(HlsError::Malformed("a byte range tells no offset"))?;
    match start.checked_add(range.length) {
        Some(end) if end > start => Ok(start..end),
        _ => Err(HlsError::Malformed("a byte range is empty or too large")),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to lie between zero and a day"
)]
fn to_ms(seconds: f32) -> u64 {
    (f64::from(seconds) * 1000.0).round() as u64
}

/// The extension to store a file under: that of the source's path, where it is a usual one.
fn extension(url: &MediaUrl) -> &'static str {
    let extension = url.file_name().rsplit_once('.').map_or("", |(_, extension)| extension);
    let usual = ["ts", "m4s", "mp4", "aac"];
    usual.into_iter().find(|usual| extension.eq_ignore_ascii_case(usual)).unwrap_or("bin")
}

#[cfg(test)]
mod tests;
