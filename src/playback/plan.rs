//! A manifest as a player sees it: what to play in which order, and where it is in the broadcast. Pure.

use serde::{Deserialize, Serialize};

use crate::model::{BroadcastPlace, Manifest, Preferred, Segment, Stitched, Whole};

/// What of a room can be played. The numbers come from a manifest and may be absurd; sums saturate.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    /// The archived segments, in order.
    pub segments: Vec<Clip<'a>>,
    /// All of them as one film, if there is one.
    pub film: Option<Film<'a>>,
    /// The whole broadcast, if it is archived.
    pub whole: Option<Playable<'a>>,
    /// What is missing of the broadcast between the segments, as far as it is known.
    pub gaps: Vec<Gap>,
    /// What to play.
    pub preferred: Played,
}

/// A segment that can be played.
#[derive(Debug, Clone, Copy)]
pub struct Clip<'a> {
    pub segment: &'a Segment,
    pub key: &'a str,
    /// Where it begins in the broadcast, in milliseconds: gaps are counted.
    pub begins_ms: u64,
}

/// A stitched film that can be played.
#[derive(Debug, Clone, Copy)]
pub struct Film<'a> {
    pub film: &'a Stitched,
    pub key: &'a str,
}

/// A whole that can be played.
#[derive(Debug, Clone, Copy)]
pub struct Playable<'a> {
    pub whole: &'a Whole,
    /// The key of its playlist.
    pub key: &'a str,
}

/// A part of the broadcast that no segment has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Where it begins in the broadcast, in milliseconds.
    pub offset_ms: u64,
    /// How long it is, in milliseconds.
    pub duration_ms: u64,
}

/// The best form in which to play a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Played {
    /// The stitched film: the segments as one file.
    Stitched,
    /// The playlist of the whole broadcast.
    Whole,
    /// The segments, one after another.
    Segments,
    /// Nothing is archived.
    None,
}

impl<'a> Plan<'a> {
    /// The plan of a room.
    pub fn of(manifest: &'a Manifest) -> Self {
        let segments = clips(manifest);
        let film = film(manifest);
        let whole = manifest.whole.as_ref();
        let whole = whole.and_then(|whole| Some(Playable { whole, key: whole.key.as_deref()? }));
        let gaps = segments.iter().filter_map(gap_before).collect();
        let preferred = match manifest.playback.preferred {
            Preferred::Segments if film.is_some() => Played::Stitched,
            Preferred::Segments if !segments.is_empty() => Played::Segments,
            Preferred::Whole if whole.is_some() => Played::Whole,
            _ => Played::None,
        };
        Self { segments, film, whole, gaps, preferred }
    }

    /// The plan where the stitched film is not in the bucket.
    #[must_use]
    pub fn without_film(mut self) -> Self {
        self.film = None;
        self.or_what_is_left(Played::Stitched)
    }

    /// The plan where the playlist of the whole is not in the bucket.
    #[must_use]
    pub fn without_whole(mut self) -> Self {
        self.whole = None;
        self.or_what_is_left(Played::Whole)
    }

    /// How long it plays what is preferred, in milliseconds.
    pub fn duration_ms(&self, manifest: &Manifest) -> u64 {
        self.duration_of_ms(self.preferred, manifest)
    }

    /// How long it plays `played`, in milliseconds. A film is longer than its segments by what their sound has to be
    /// waited for at the joints.
    pub fn duration_of_ms(&self, played: Played, manifest: &Manifest) -> u64 {
        let of_manifest = manifest.playback.duration_ms;
        match (played, manifest.playback.preferred) {
            (Played::Stitched, _) => {
                self.film.and_then(|film| film.film.duration_ms).unwrap_or(of_manifest)
            }
            (Played::Segments, Preferred::Whole) => {
                let media = self.segments.iter().filter_map(|clip| clip.segment.media.as_ref());
                media.fold(0, |all, media| all.saturating_add(media.duration_ms))
            }
            _ => of_manifest,
        }
    }

    /// Prefers something else to what is gone.
    fn or_what_is_left(mut self, gone: Played) -> Self {
        if self.preferred == gone {
            self.preferred = match () {
                () if self.film.is_some() => Played::Stitched,
                () if !self.segments.is_empty() => Played::Segments,
                () if self.whole.is_some() => Played::Whole,
                () => Played::None,
            };
        }
        self
    }
}

fn clips(manifest: &Manifest) -> Vec<Clip<'_>> {
    let mut place = BroadcastPlace::default();
    let archived = manifest.segments.iter().filter_map(|segment| {
        let key = segment.key.as_deref()?;
        Some(Clip { segment, key, begins_ms: place.next_begins_ms(segment) })
    });
    archived.collect()
}

/// The film, unless it is that of other segments.
fn film(manifest: &Manifest) -> Option<Film<'_>> {
    let film = manifest.playback.stitched.as_ref()?;
    let key = film.key.as_deref()?;
    (film.made_from == manifest.made_from()).then_some(Film { film, key })
}

fn gap_before(clip: &Clip<'_>) -> Option<Gap> {
    let duration_ms = clip.segment.timeline.as_ref()?.gap_before_ms;
    let offset_ms = clip.begins_ms.saturating_sub(duration_ms);
    (duration_ms > 0).then_some(Gap { offset_ms, duration_ms })
}
