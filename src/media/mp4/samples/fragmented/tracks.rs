//! What a `moov` says about the samples in fragments.

use super::super::super::boxes::{child, children};
use super::super::super::extent::word;
use super::super::super::fragments::Defaults;
use super::super::coding::{Coding, codings};

/// The most tracks to examine, as for those with tables.
const MOST: usize = 16;

/// A track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Track {
    pub id: u32,
    timescale: u32,
    codings: Vec<Coding>,
    defaults: Defaults,
}

/// The tracks of a segment, as far as its fragments need them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Tracks {
    pub(super) all: Vec<Track>,
    /// Whether the `moov` says that there are fragments (`mvex`).
    pub(in super::super) are_extended: bool,
}

impl Tracks {
    /// Reads the payload of a `moov`.
    pub(in super::super) fn read(moov: &[u8]) -> Self {
        let mvex = child(moov, b"mvex");
        let of = |id: u32| {
            let trexes = children(mvex?).filter(|(kind, _)| kind.0 == *b"trex");
            trexes.map(|(_, trex)| trex).find(|trex| word(trex, 4) == Some(id))
        };
        let traks = children(moov).filter(|(kind, _)| kind.0 == *b"trak").take(MOST);
        let all = traks.filter_map(|(_, trak)| {
            let (id, timescale, codings) = track(trak)?;
            let trex = of(id).unwrap_or_default();
            let field = |at| word(trex, at);
            let defaults = Defaults {
                description: field(8),
                duration: field(12),
                size: field(16),
                flags: field(20),
            };
            Some(Track { id, timescale, codings, defaults })
        });
        Self { all: all.collect(), are_extended: mvex.is_some() }
    }

    /// The index of the track with this number.
    pub(super) fn of(&self, id: u32) -> Option<(usize, &Track)> {
        self.all.iter().enumerate().find(|(_, track)| track.id == id)
    }

    /// The defaults for the samples of a track.
    pub(super) fn defaults(&self, id: u32) -> Defaults {
        self.of(id).map_or_else(Defaults::default, |(_, track)| track.defaults)
    }
}

impl Track {
    /// How the samples of a sample entry are coded; `None` if it is neither video nor audio.
    pub(super) fn coding(&self, description: Option<u32>) -> Option<Coding> {
        // They are counted from 1.
        let entry = description.unwrap_or(1).checked_sub(1)?;
        self.codings.get(entry as usize).copied()
    }

    pub(super) fn millis(&self, ticks: u64) -> u64 {
        let millis = (u128::from(ticks) * 1000).checked_div(self.timescale.into());
        millis.and_then(|millis| u64::try_from(millis).ok()).unwrap_or(0)
    }

    /// Whether it is video, as far as is known.
    pub(super) fn has_pictures(&self) -> bool {
        matches!(self.codings.first(), Some(Coding::Avc(_) | Coding::Hevc(_)))
    }

    /// Whether it is video or audio.
    pub(super) fn is_shown(&self) -> bool {
        !self.codings.is_empty()
    }
}

/// The number of a `trak`, its time scale, and how its samples are coded if it is video or audio.
fn track(trak: &[u8]) -> Option<(u32, u32, Vec<Coding>)> {
    let tkhd = child(trak, b"tkhd")?;
    let id = word(tkhd, if *tkhd.first()? == 1 { 20 } else { 12 })?;
    let mdia = child(trak, b"mdia")?;
    let mdhd = child(mdia, b"mdhd")?;
    let timescale = word(mdhd, if *mdhd.first()? == 1 { 20 } else { 12 })?;
    let handler = child(mdia, b"hdlr")?.get(8..12)?;
    let stsd = child(mdia, b"minf").and_then(|minf| child(child(minf, b"stbl")?, b"stsd"));
    let shown = stsd.filter(|_| handler == b"vide" || handler == b"soun");
    Some((id, timescale, shown.map(codings).unwrap_or_default()))
}
