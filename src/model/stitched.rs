//! The stitched film of a room, as its manifest names it: its segments joined to one file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Crc64Nvme, Crc64Xz, Evidence, Manifest, Preferred, RecordingState, Segment, Sha256Digest,
};

/// The segments of a room, joined to one film; or why they cannot be.
///
/// It is derived from the segments, which are the archive, and not listed in `SHA256SUMS`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stitched {
    /// Its key; `null` if the segments cannot be joined.
    pub key: Option<String>,
    /// Why they cannot be joined: which field differs in which segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// How long it plays, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// CRC-64/NVME of all bytes, 16 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc64nvme: Option<Crc64Nvme>,
    /// CRC-64/XZ of all bytes, 16 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc64xz: Option<Crc64Xz>,
    /// The segments that it was made from, in order. If the room has other segments now, the film is out of date.
    pub made_from: Vec<MadeFrom>,
    /// When each of them begins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub time_map: Vec<FilmTime>,
    /// Which checks confirm it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
}

/// A segment of a stitched film.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MadeFrom {
    /// Its key.
    pub key: String,
    /// The SHA-256 of all its bytes.
    pub sha256: Sha256Digest,
}

/// A time of the film, and when that was in the broadcast. Time runs equally fast in both until the next
/// such pair: the film leaves out what is missing of the broadcast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FilmTime {
    /// Milliseconds from the beginning of the film.
    pub film_ms: u64,
    /// Milliseconds from the beginning of the broadcast's first segment, gaps included.
    pub broadcast_ms: u64,
}

/// The format of stitched films: another one would be another film of the same segments.
const FORMAT: &str = "replay-archiver/film/v1\n";

impl Stitched {
    /// The digest in the key of a film: it depends on what the film is made from, and on nothing else.
    pub fn digest(made_from: &[MadeFrom]) -> Sha256Digest {
        let lines = made_from.iter().map(|segment| format!("{}\n", segment.sha256));
        Sha256Digest::of(lines.fold(FORMAT.to_owned(), |text, line| text + &line).as_bytes())
    }
}

/// Finds the places of segments in the broadcast, one after another.
#[derive(Debug, Default)]
pub struct BroadcastPlace {
    gaps_ms: u64,
    end_ms: u64,
}

impl BroadcastPlace {
    /// When the next segment begins in the broadcast, in milliseconds. One of which nothing is known begins where
    /// the one before it ends.
    pub fn next_begins_ms(&mut self, segment: &Segment) -> u64 {
        let begins_ms = segment.timeline.as_ref().map_or(self.end_ms, |timeline| {
            self.gaps_ms = self.gaps_ms.saturating_add(timeline.gap_before_ms);
            timeline.offset_ms.saturating_add(self.gaps_ms)
        });
        let duration_ms = segment.media.as_ref().map_or(0, |media| media.duration_ms);
        self.end_ms = begins_ms.saturating_add(duration_ms);
        begins_ms
    }
}

impl Manifest {
    /// The segments that a film of the room is made from: all archived ones.
    pub fn made_from(&self) -> Vec<MadeFrom> {
        let archived = self.segments.iter().filter(|s| s.state == RecordingState::Archived);
        let made_from = archived.filter_map(|segment| {
            Some(MadeFrom { key: segment.key.clone()?, sha256: segment.sha256? })
        });
        match self.playback.preferred {
            Preferred::Segments => made_from.collect(),
            Preferred::Whole | Preferred::None => Vec::new(),
        }
    }

    /// When each segment of the film begins in the broadcast, in milliseconds.
    pub fn broadcast_begins_ms(&self) -> Vec<u64> {
        let archived = self.segments.iter().filter(|s| s.state == RecordingState::Archived);
        let mut place = BroadcastPlace::default();
        archived.map(|segment| place.next_begins_ms(segment)).collect()
    }

    /// The manifest with the stitched film of an earlier one, if it is made from the same segments.
    #[must_use]
    pub fn keeping_film_of(mut self, earlier: &Self) -> Self {
        let film = earlier.playback.stitched.clone();
        self.playback.stitched = film.filter(|film| film.made_from == self.made_from());
        self
    }
}
