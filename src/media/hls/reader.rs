//! Reads a playlist line by line.
//!
//! `m3u8-rs` is not used. It skips tags that it cannot read, so that a damaged `EXTINF` becomes a
//! duration of zero and a damaged `EXT-X-KEY` an unencrypted segment, and its attribute lists run on
//! into the following lines, which takes minutes on a malicious playlist of 8 MiB.

use std::collections::HashMap;
use std::ops::Range;

use super::variants::{Offer, Offers};
use super::{
    Base, Chunk, ChunkFile, HlsError, Link, MAX_CHUNKS, MAX_URL_BYTES, MediaPlaylist, Playlist,
};

/// The longest segment, in seconds. A longer duration is damage.
const MAX_SECONDS: f64 = 24.0 * 3600.0;

/// The state after the lines read so far.
pub(super) struct Reader<'a> {
    base: Base<'a>,
    media: MediaPlaylist,
    offers: Offers<'a>,
    ended: bool,
    pictures_alone: bool,
    /// The length of all URLs so far, in bytes.
    url_bytes: usize,
    /// Where the last byte range of each file ended.
    range_ends: HashMap<&'a str, u64>,
    /// The initialisation section of the following segments.
    init: Option<usize>,
    next: Next<'a>,
}

/// What the tags have said about the next URI.
#[derive(Default)]
struct Next<'a> {
    duration_ms: Option<u64>,
    is_rounded: bool,
    discontinuity: bool,
    is_gap: bool,
    range: Option<ByteRange>,
    offer: Option<Offer<'a>>,
}

#[derive(Clone, Copy)]
struct ByteRange {
    length: u64,
    offset: Option<u64>,
}

impl<'a> Reader<'a> {
    /// A reader whose links are relative to `base`.
    pub fn new(base: Base<'a>) -> Self {
        Self {
            base,
            media: MediaPlaylist {
                inits: Vec::new(),
                chunks: Vec::new(),
                version: 0,
                target_seconds: 0,
            },
            offers: Offers::default(),
            ended: false,
            pictures_alone: false,
            url_bytes: 0,
            range_ends: HashMap::new(),
            init: None,
            next: Next::default(),
        }
    }

    /// Takes the next non-empty line after the first.
    pub fn take(&mut self, line: &'a str) -> Result<(), HlsError> {
        let (tag, value) = line.split_once(':').unwrap_or((line, ""));
        match tag {
            // Both only make sure that the copy says no less than the original.
            "#EXT-X-VERSION" => self.media.version = value.parse().unwrap_or_default(),
            "#EXT-X-TARGETDURATION" => {
                self.media.target_seconds = value.parse().unwrap_or_default();
            }
            "#EXTINF" => {
                self.next.is_rounded = !value.split(',').next().is_some_and(|s| s.contains('.'));
                if self.next.duration_ms.replace(duration_ms(value)?).is_some() {
                    return Err(HlsError::Malformed("a segment has two durations"));
                }
            }
            "#EXT-X-BYTERANGE" => self.next.range = Some(byte_range(value)?),
            "#EXT-X-DISCONTINUITY" => self.next.discontinuity = true,
            "#EXT-X-GAP" => self.next.is_gap = true,
            "#EXT-X-KEY" => check_key(value)?,
            "#EXT-X-MAP" => self.map(value)?,
            "#EXT-X-STREAM-INF" => self.next.offer = Some(Offer::of(value)?),
            "#EXT-X-MEDIA" => self.offers.rendition(value)?,
            "#EXT-X-I-FRAMES-ONLY" => self.pictures_alone = true,
            "#EXT-X-ENDLIST" => self.ended = true,
            _ if line.starts_with('#') => {}
            _ => self.uri(line)?,
        }
        let count = self.media.chunks.len() + self.media.inits.len() + self.offers.len();
        match () {
            () if count > MAX_CHUNKS => Err(HlsError::TooManyChunks),
            () if self.url_bytes > MAX_URL_BYTES => Err(HlsError::LongUrls),
            () => Ok(()),
        }
    }

    /// A URI, which ends the tags about it.
    fn uri(&mut self, uri: &'a str) -> Result<(), HlsError> {
        let next = std::mem::take(&mut self.next);
        if let Some(offer) = next.offer {
            self.offers.push(offer.at(uri));
            return Ok(());
        }
        let number = self.media.chunks.len();
        let duration_ms = next.duration_ms.ok_or(HlsError::Malformed("a URI has no duration"))?;
        let link = match self.base.link(uri) {
            Some(link) => link,
            // A gap is never fetched.
            None if next.is_gap => self.base.own(),
            None => return Err(HlsError::ChunkUri(number)),
        };
        self.url_bytes += link.bytes();
        let range = next.range.map(|range| range.after(self.range_ends.get(uri).copied()));
        let range = range.transpose()?;
        if let Some(range) = &range {
            self.range_ends.insert(uri, range.end);
        }
        let name = format!("chunk-{number:06}.{}", extension(&link));
        self.media.chunks.push(Chunk {
            file: ChunkFile { name, link, range },
            duration_ms,
            is_rounded: next.is_rounded,
            discontinuity: next.discontinuity,
            init: self.init,
            is_gap: next.is_gap,
        });
        Ok(())
    }

    /// `EXT-X-MAP`: the initialisation section from here on.
    fn map(&mut self, attributes: &str) -> Result<(), HlsError> {
        let number = self.media.inits.len();
        let uri = attribute(attributes, "URI")?;
        let link = uri.and_then(|uri| self.base.link(uri));
        let link = link.ok_or(HlsError::Malformed("a map has no URI that can be fetched"))?;
        self.url_bytes += link.bytes();
        let range = attribute(attributes, "BYTERANGE")?
            .map(|range| byte_range(range)?.after(Some(0)))
            .transpose()?;
        let name = format!("init-{number:06}.{}", extension(&link));
        self.media.inits.push(ChunkFile { name, link, range });
        self.init = Some(number);
        Ok(())
    }

    /// The result after all lines.
    pub fn finish(self) -> Result<Playlist, HlsError> {
        if self.next.duration_ms.is_some() || self.next.offer.is_some() {
            return Err(HlsError::Malformed("the last URI is missing"));
        }
        if self.offers.len() > 0 {
            return self.offers.variants(self.base).map(Playlist::Master);
        }
        match (self.ended, self.media.chunks.iter().all(|chunk| chunk.is_gap)) {
            (false, _) => Err(HlsError::NoEnd),
            (true, true) => Err(HlsError::NoSegments),
            (true, false) if self.pictures_alone => Err(HlsError::PicturesAlone),
            (true, false) => Ok(Playlist::Media(self.media)),
        }
    }
}

impl ByteRange {
    /// The byte range; without an offset it begins at `next`.
    fn after(self, next: Option<u64>) -> Result<Range<u64>, HlsError> {
        let start = self.offset.or(next);
        let start = start.ok_or(HlsError::Malformed("a byte range has no offset"))?;
        match start.checked_add(self.length) {
            Some(end) if end > start => Ok(start..end),
            _ => Err(HlsError::Malformed("a byte range is empty or too large")),
        }
    }
}

/// Segments can only be played as they are if `METHOD=NONE`.
fn check_key(attributes: &str) -> Result<(), HlsError> {
    match attribute(attributes, "METHOD") {
        Ok(Some("NONE")) => Ok(()),
        method => {
            // The message shows the value, so it is restricted to what a method can consist of.
            let method = method.ok().flatten().unwrap_or("unknown");
            let is_name = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
            Err(HlsError::Encrypted(method.chars().take_while(is_name).take(20).collect()))
        }
    }
}

/// The value of an attribute (RFC 8216, section 4.2), without its quotation marks.
pub(super) fn attribute<'a>(list: &'a str, wanted: &str) -> Result<Option<&'a str>, HlsError> {
    const DAMAGED: HlsError = HlsError::Malformed("a list of attributes cannot be read");
    let mut rest = list;
    while !rest.is_empty() {
        let (name, value) = rest.split_once('=').ok_or(DAMAGED)?;
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or(DAMAGED)?,
            None => value.split_at(value.find(',').unwrap_or(value.len())),
        };
        if name.trim() == wanted {
            return Ok(Some(value.trim()));
        }
        rest = match after.trim_start().strip_prefix(',') {
            None if !after.trim().is_empty() => return Err(DAMAGED),
            next => next.unwrap_or_default(),
        };
    }
    Ok(None)
}

/// `length[@offset]`
fn byte_range(value: &str) -> Result<ByteRange, HlsError> {
    let (length, offset) = value.split_once('@').map_or((value, None), |(l, o)| (l, Some(o)));
    let number = |text: &str| {
        text.trim().parse().map_err(|_| HlsError::Malformed("a byte range cannot be read"))
    };
    Ok(ByteRange { length: number(length)?, offset: offset.map(number).transpose()? })
}

/// `seconds,[title]`, as milliseconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to lie between zero and a day"
)]
fn duration_ms(value: &str) -> Result<u64, HlsError> {
    let seconds = value.split(',').next().and_then(|seconds| seconds.trim().parse::<f64>().ok());
    match seconds {
        Some(seconds) if (0.0..=MAX_SECONDS).contains(&seconds) => {
            Ok((seconds * 1000.0).round() as u64)
        }
        _ => Err(HlsError::Malformed("a segment has an invalid duration")),
    }
}

/// The extension for a stored file: the one in the source's path, if it is a usual one.
fn extension(link: &Link) -> &'static str {
    let extension =
        link.listed().file_name().rsplit_once('.').map_or("", |(_, extension)| extension);
    let usual = ["ts", "m4s", "mp4", "aac", "m4a", "m4v", "cmfv", "cmfa", "mp3", "ac3", "vtt"];
    usual.into_iter().find(|usual| extension.eq_ignore_ascii_case(usual)).unwrap_or("bin")
}
