//! A track of a segment: its tables, checked against each other and the media data.

use std::ops::Range;

use bytes::Bytes;

use super::edits::{Edits, MOST_EMPTY};
use super::entry::Entry;
use super::groups::{Group, groups};
use super::refusal::Flaw;
use super::tables::{Chunks, Sync, check_offsets, total};
use super::times::{Times, Unknown};
use crate::media::mp4::boxes::child;
use crate::media::mp4::samples::table::{Sizes, Table, number};

/// The most samples of a track: 77 hours at 60 pictures a second.
const MOST_SAMPLES: u32 = 1 << 24;

/// How much sound may be heard at a joint that the segment's edit list cuts, in parts of a second: an
/// encoder begins with a packet or two of silence.
const UNHEARD: u64 = 10;

/// How much at the end an edit list that rounds may hide, in parts of a second.
const ROUNDED: u64 = 500;

/// The bytes of a track header that say how its pictures lie on the screen: a matrix, width, height.
const DISPLAY: usize = 44;

/// The bytes at the end of `mdhd` that begin with its language.
const LANGUAGE: usize = 4;

#[derive(Debug, Clone)]
pub(super) struct Track {
    trak: Bytes,
    pub handler: [u8; 4],
    pub timescale: u32,
    pub edits: Edits,
    entry: Entry,
    pub sizes: Sizes,
    pub stts: Table,
    pub ctts: Option<Table>,
    /// Whether its `ctts` may hold negative offsets.
    pub has_signed_offsets: bool,
    pub stss: Option<Table>,
    pub chunks: Chunks,
    pub groups: Vec<Group>,
    pub times: Times,
}

impl Track {
    pub(super) fn read(
        moov: &Bytes,
        trak: &[u8],
        track: usize,
        payload: &Range<u64>,
    ) -> Result<Self, Flaw> {
        let mdia = child(trak, b"mdia").ok_or(Flaw::Unreadable("mdia"))?;
        let mdhd = child(mdia, b"mdhd").ok_or(Flaw::Unreadable("mdhd"))?;
        let timescale = number(mdhd, if mdhd.first() == Some(&1) { 20 } else { 12 });
        let hdlr = child(mdia, b"hdlr").and_then(|hdlr| hdlr.get(8..)?.first_chunk::<4>());
        let handler = *hdlr.ok_or(Flaw::Unreadable("hdlr"))?;
        let minf = child(mdia, b"minf").ok_or(Flaw::Unreadable("minf"))?;
        check_file(minf, track)?;
        let stbl = child(minf, b"stbl").ok_or(Flaw::Unreadable("stbl"))?;
        check_encryption(stbl, track)?;
        let lie = |what| Flaw::Track { track, what };
        let sizes = Sizes::read(moov, stbl).ok_or(Flaw::Unreadable("stsz"))?;
        let samples = sizes.count();
        match samples {
            0 => return Err(lie("has no samples")),
            1..=MOST_SAMPLES => {}
            _ => return Err(Flaw::TooMuch("samples")),
        }
        if sizes.is_short() {
            return Err(lie("has a table of sizes (stsz) that is cut off"));
        }
        let stts = table(moov, stbl, b"stts", 8)?.ok_or(Flaw::Unreadable("stts"))?;
        if total(&stts) != u64::from(samples) {
            return Err(lie("has tables that disagree: stts and stsz"));
        }
        let ctts = table(moov, stbl, b"ctts", 8)?;
        check_offsets(ctts.as_ref(), samples).map_err(lie)?;
        let stss = table(moov, stbl, b"stss", 4)?;
        Sync::check(stss.as_ref(), samples).map_err(lie)?;
        let chunks = Chunks::read(moov, stbl)?;
        chunks.check(&sizes, payload).map_err(lie)?;
        let timescale = timescale.filter(|scale| *scale > 0).ok_or(Flaw::Unreadable("mdhd"))?;
        let unknown =
            Unknown { is_like_others: is_seen_or_heard(handler), told: duration_of(mdhd) };
        let times = Times::read(&stts, ctts.as_ref(), timescale, unknown)
            .ok_or(lie("has samples at impossible times (stts, ctts)"))?;
        let stsd = child(stbl, b"stsd").ok_or(Flaw::Unreadable("stsd"))?;
        let this = Self {
            trak: moov.slice_ref(trak),
            handler,
            timescale,
            edits: Edits::read(trak, track)?,
            entry: Entry::read(handler, stsd, track)?,
            has_signed_offsets: child(stbl, b"ctts").and_then(<[u8]>::first) == Some(&1),
            groups: groups(moov, stbl, samples),
            sizes,
            stts,
            ctts,
            stss,
            chunks,
            times,
        };
        this.tkhd()?;
        this.check_edits(track)?;
        Ok(this)
    }

    pub(super) fn samples(&self) -> u32 {
        self.sizes.count()
    }

    pub(super) fn trak(&self) -> &[u8] {
        &self.trak
    }

    /// Its header (`tkhd`).
    pub(super) fn tkhd(&self) -> Result<&[u8], Flaw> {
        let tkhd = child(&self.trak, b"tkhd").filter(|tkhd| tkhd.len() >= DISPLAY + 40);
        tkhd.ok_or(Flaw::Unreadable("tkhd"))
    }

    /// Whether it has pictures or sound.
    pub(super) fn is_seen_or_heard(&self) -> bool {
        is_seen_or_heard(self.handler)
    }

    /// Its language, as its header and a box of its own say it (`mdhd`, `elng`).
    pub(super) fn language(&self) -> Option<(&[u8], Option<&[u8]>)> {
        let mdia = child(&self.trak, b"mdia")?;
        let mdhd = child(mdia, b"mdhd")?;
        let language = mdhd.get(mdhd.len().checked_sub(LANGUAGE)?..)?.get(..2)?;
        Some((language, child(mdia, b"elng")))
    }

    fn display(&self) -> Option<(&[u8], &[u8])> {
        let tkhd = self.tkhd().ok()?;
        tkhd.get(tkhd.len().checked_sub(DISPLAY)?..)?.split_at_checked(DISPLAY - 8)
    }

    /// The name of what differs in the same track of another segment.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let (one, another) = (self.display(), other.display());
        let size = |display: Option<(&[u8], &[u8])>| display.map(|(_, size)| size.to_vec());
        let matrix = |display: Option<(&[u8], &[u8])>| display.map(|(matrix, _)| matrix.to_vec());
        let fields = [
            (self.handler == other.handler, "kind"),
            (self.timescale == other.timescale, "time scale"),
            (size(one) == size(another), "width or height"),
            (matrix(one) == matrix(another), "rotation"),
        ];
        let differing = fields.iter().find(|(is_alike, _)| !is_alike);
        let differing = differing.map(|(_, field)| (*field).to_owned());
        differing.or_else(|| self.entry.difference(&other.entry))
    }

    /// Its edits must lie within it.
    fn check_edits(&self, track: usize) -> Result<(), Flaw> {
        let is_within = i64::try_from(self.edits.media_time)
            .is_ok_and(|media_time| media_time <= self.times.shown.end.max(0));
        match is_within && self.edits.empty <= MOST_EMPTY {
            true => Ok(()),
            false => Err(Flaw::Track { track, what: "begins after its own end, by its edit list" }),
        }
    }

    /// Whether it is shown to its end, in a movie of this time scale: a film shows all of it.
    pub(super) fn check_end(&self, track: usize, movie_timescale: u32) -> Result<(), Flaw> {
        if self.edits.shown == 0 {
            return Ok(());
        }
        // In units of which a tick of the track and one of the movie are whole numbers.
        let (movie, own) = (i128::from(movie_timescale), i128::from(self.timescale));
        let end = i128::from(self.edits.media_time) * movie + i128::from(self.edits.shown) * own;
        // Whoever wrote the list did not know of a duration that the tables do not have.
        let known = i128::from(self.times.shown.end) - i128::from(self.times.supplied);
        let hidden = known * movie - end;
        let is_of_pictures = self.handler == *b"vide";
        // A tick of the movie is rounded.
        let part = if is_of_pictures { ROUNDED } else { UNHEARD };
        let is_to_its_end = hidden <= movie * own / i128::from(part) + own;
        // Pictures are shown one by one, so that durations of which the end is hidden say nothing: where pictures come
        // unevenly, an encoder that puts them in another order gives them each other's durations.
        let is_last_begun = is_of_pictures && i128::from(self.times.last) * movie + own <= end;
        match is_to_its_end || is_last_begun {
            true => Ok(()),
            false => Err(Flaw::Track { track, what: "ends with samples that it does not show" }),
        }
    }

    /// Whether all of it is shown: a film shows all of a segment that is not the first.
    pub(super) fn check_joint(&self, track: usize) -> Result<(), Flaw> {
        let media_time = i64::try_from(self.edits.media_time).unwrap_or(i64::MAX);
        let hidden = u64::try_from(media_time.saturating_sub(self.times.shown.start)).unwrap_or(0);
        let most = if self.handler == *b"vide" { 0 } else { u64::from(self.timescale) / UNHEARD };
        match hidden <= most {
            true => Ok(()),
            false => Err(Flaw::Track { track, what: "begins with samples that it does not show" }),
        }
    }
}

/// Whether a track of this kind has pictures or sound.
fn is_seen_or_heard(handler: [u8; 4]) -> bool {
    matches!(&handler, b"vide" | b"soun")
}

/// The duration that a track's header (`mdhd`) says, if that is one.
fn duration_of(mdhd: &[u8]) -> Option<u32> {
    let is_long = mdhd.first() == Some(&1);
    if is_long && number(mdhd, 24) != Some(0) {
        return None;
    }
    number(mdhd, if is_long { 28 } else { 16 }).filter(|ticks| !matches!(*ticks, 0 | u32::MAX))
}

/// A table whose body has its number of entries after four bytes; it must be as long as it says.
fn table(
    moov: &Bytes,
    stbl: &[u8],
    kind: &'static [u8; 4],
    width: usize,
) -> Result<Option<Table>, Flaw> {
    let Some(body) = child(stbl, kind) else { return Ok(None) };
    let table = Table::of(moov, Some(body), 8, width);
    let name = std::str::from_utf8(kind).unwrap_or("stbl");
    if table.is_short { Err(Flaw::Unreadable(name)) } else { Ok(Some(table)) }
}

/// The samples must lie in the file itself (`dref`).
fn check_file(minf: &[u8], track: usize) -> Result<(), Flaw> {
    let dref = child(minf, b"dinf").and_then(|dinf| child(dinf, b"dref"));
    let dref = dref.ok_or(Flaw::Unreadable("dref"))?;
    let is_here = number(dref, 4) == Some(1) && number(dref, 16).is_some_and(|it| it & 1 == 1);
    match is_here {
        true => Ok(()),
        false => Err(Flaw::Track { track, what: "has samples in another file (dref)" }),
    }
}

/// No box may say where a key for its samples lies.
fn check_encryption(stbl: &[u8], track: usize) -> Result<(), Flaw> {
    match [b"saiz", b"saio", b"senc"].iter().all(|kind| child(stbl, kind).is_none()) {
        true => Ok(()),
        false => Err(Flaw::Track { track, what: "is encrypted" }),
    }
}
