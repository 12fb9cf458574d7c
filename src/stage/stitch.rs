//! Stitch: joins the archived segments of a room to one film, which the store makes from them by itself.
//!
//! Only the boxes around the media data of each segment are read, and only the head of the film is sent
//! (see [`crate::stitch`]). The CRC-64s of the film are known beforehand, and compared with what the store
//! reports. Where it reports none, sizes are, and the bytes at each joint.

mod making;

use std::ops::Range;

use bytes::Bytes;

use super::Error;
use crate::model::{Crcs, Manifest, ObjectKey, RecordingState, Segment, Stitched};
use crate::stitch::{self, Around, Film, FilmPart, Flaw};
use crate::store::{self, MOST_PARTS, RoomKeys, Store};

pub use making::{Existing, make};

/// How much of a segment is read at once in search of its boxes.
const WINDOW: u64 = 64 << 10;

/// The most bytes around the media data of a segment.
const MOST_AROUND: u64 = 64 << 20;

/// The same for all segments of a room: their boxes are in memory together.
const MOST_AROUND_ALL: u64 = 256 << 20;

/// What a film of a room would be.
#[derive(Debug)]
pub enum Plan {
    /// The segments can be joined.
    Film(Box<PlannedFilm>),
    /// They cannot, for this reason.
    Refused(String),
}

/// A film that can be made.
#[derive(Debug)]
pub struct PlannedFilm {
    film: Film,
    parts: Vec<FilmPart>,
    crcs: Crcs,
    sources: Vec<Source>,
    begins_ms: Vec<u64>,
}

/// A segment that is copied.
#[derive(Debug)]
struct Source {
    key: ObjectKey,
    etag: String,
}

impl PlannedFilm {
    /// Its size in bytes.
    pub fn bytes(&self) -> u64 {
        self.film.bytes()
    }

    /// How many of its bytes are sent to the store: the others it copies.
    pub fn sent_bytes(&self) -> u64 {
        let copied = self.parts.iter().map(|part| match part {
            FilmPart::Copied { range, .. } => range.end.saturating_sub(range.start),
            FilmPart::Sent(_) => 0,
        });
        self.bytes().saturating_sub(copied.sum())
    }

    /// How long it plays, in milliseconds.
    pub fn duration_ms(&self) -> u64 {
        self.film.duration_ms
    }
}

/// What the manifest of a room says if its segments cannot be joined.
pub fn refused(manifest: &Manifest, reason: String) -> Stitched {
    Stitched {
        key: None,
        reason: Some(reason),
        bytes: None,
        duration_ms: None,
        crc64nvme: None,
        crc64xz: None,
        made_from: manifest.made_from(),
        time_map: Vec::new(),
        evidence: Vec::new(),
    }
}

/// Reads the boxes of a room's archived segments and plans their film. Changes nothing.
///
/// # Errors
/// When an object is not what the manifest says, and when the store refuses or does not answer.
pub async fn plan(store: &Store, keys: &RoomKeys, manifest: &Manifest) -> Result<Plan, Error> {
    let archived = manifest.segments.iter().filter(|s| s.state == RecordingState::Archived);
    let (mut segments, mut crcs, mut sources) = (Vec::new(), Vec::new(), Vec::new());
    let mut around_all = 0_u64;
    for segment in archived {
        let index = segment.index;
        let refused = |flaw: Flaw| Ok(Plan::Refused(format!("segment {index}: {flaw}")));
        let Some(Known { key, bytes, whole }) = Known::of(keys, segment) else {
            return Ok(Plan::Refused(format!(
                "segment {index}: the manifest has no digests of it"
            )));
        };
        // It must be as it was archived.
        let confirmed = store.confirm(&key, whole, bytes).await?;
        let Some(etag) = confirmed.etag else {
            return Ok(Plan::Refused(format!("segment {index}: the store has no ETag of it")));
        };
        let source = Source { key, etag };
        let payload = match payload(store, &source.key, bytes).await? {
            Ok(payload) => payload,
            Err(flaw) => return refused(flaw),
        };
        let length = payload.end.saturating_sub(payload.start);
        around_all = around_all.saturating_add(bytes.saturating_sub(length));
        if bytes.saturating_sub(length) > MOST_AROUND || around_all > MOST_AROUND_ALL {
            return refused(Flaw::TooMuch("bytes around its media data"));
        }
        let before = read(store, &source.key, 0..payload.start).await?;
        let after = read(store, &source.key, payload.end..bytes).await?;
        match stitch::Segment::read(index, &before, payload, &after) {
            Ok(segment) => segments.push(segment),
            Err(flaw) => return refused(flaw),
        }
        crcs.push(whole.between(&before, length, &after));
        sources.push(source);
    }
    let film = match stitch::film(&segments) {
        Ok(film) => film,
        Err(refusal) => return Ok(Plan::Refused(refusal.to_string())),
    };
    let Some(parts) = film.parts(MOST_PARTS) else {
        return Ok(Plan::Refused("the film would be too large for one object".to_owned()));
    };
    let begins_ms = manifest.broadcast_begins_ms();
    let crcs = film.crcs(&crcs);
    Ok(Plan::Film(Box::new(PlannedFilm { film, parts, crcs, sources, begins_ms })))
}

/// What the manifest says of a segment.
struct Known {
    key: ObjectKey,
    bytes: u64,
    whole: Crcs,
}

impl Known {
    fn of(keys: &RoomKeys, segment: &Segment) -> Option<Self> {
        let whole = Crcs { crc64nvme: segment.crc64nvme?, crc64xz: segment.crc64xz? };
        Some(Self { key: keys.resolve(segment.key.as_deref()?)?, bytes: segment.bytes?, whole })
    }
}

/// Where the media data of a segment lies.
async fn payload(
    store: &Store,
    key: &ObjectKey,
    bytes: u64,
) -> Result<Result<Range<u64>, Flaw>, Error> {
    let mut around = Around::new(bytes);
    let (mut begin, mut window) = (0, Bytes::new());
    while let Some(wanted) = around.wants() {
        let place = |at: u64| usize::try_from(at.checked_sub(begin)?).ok();
        let mut found = place(wanted.start).zip(place(wanted.end));
        if found.is_none_or(|(_, end)| end > window.len()) {
            begin = wanted.start;
            window = read(store, key, begin..begin.saturating_add(WINDOW).min(bytes)).await?;
            found = usize::try_from(wanted.end - begin).ok().map(|end| (0, end));
        }
        let header = found.and_then(|(from, to)| window.get(from..to)).unwrap_or_default();
        if let Err(flaw) = around.take(header) {
            return Ok(Err(flaw));
        }
    }
    Ok(around.payload())
}

async fn read(store: &Store, key: &ObjectKey, range: Range<u64>) -> Result<Bytes, Error> {
    let mut chunks: Vec<Bytes> = Vec::new();
    if !range.is_empty() {
        store.read_range(key, range, &mut chunks).await?;
    }
    Ok(chunks.concat().into())
}

/// Whether the film that a manifest names is in the bucket, as far as the store can tell.
///
/// # Errors
/// When the store refuses or does not answer.
pub async fn is_there(store: &Store, keys: &RoomKeys, film: &Stitched) -> Result<bool, Error> {
    let key = film.key.as_deref().and_then(|key| keys.resolve(key));
    let (Some(key), Some(bytes)) = (key, film.bytes) else { return Ok(false) };
    let (Some(crc64nvme), Some(crc64xz)) = (film.crc64nvme, film.crc64xz) else {
        return Ok(false);
    };
    match store.confirm_if_there(&key, Crcs { crc64nvme, crc64xz }, bytes).await {
        Ok(confirmed) => Ok(confirmed.is_some()),
        Err(store::Error::Mismatch { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
