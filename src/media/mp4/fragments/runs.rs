//! The sample runs of a fragment (`moof`), as in ISO/IEC 14496-12 sections 8.8.7 and 8.8.8.

use super::super::boxes::{child, children};
use super::super::extent::word;

/// The defaults for the samples of a track, unless something closer to them overrides these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in super::super) struct Defaults {
    /// The number of their sample entry, from 1.
    pub description: Option<u32>,
    pub duration: Option<u32>,
    pub size: Option<u32>,
    pub flags: Option<u32>,
}

/// The samples of a track in a fragment (`traf`).
#[derive(Debug)]
pub(in super::super) struct Traf<'a> {
    pub track: u32,
    pub defaults: Defaults,
    /// The decode time of the first sample, in the track's time scale, if stated.
    pub time: Option<u64>,
    /// Its runs, each with its offset in the file.
    pub runs: Vec<(u64, Run<'a>)>,
}

/// A sample of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Entry {
    /// `None` if stated nowhere.
    pub size: Option<u32>,
    pub duration: Option<u32>,
    /// Whether it can be decoded without earlier samples.
    pub is_sync: bool,
}

/// The samples of a fragment, track by track; `None` in place of a track that cannot be read.
///
/// `moof` is the payload of the fragment's box, which begins at the offset `at`; `of_moov` gives the
/// defaults in the `moov` for a track.
pub(in super::super) fn trafs<'a>(
    moof: &'a [u8],
    at: u64,
    of_moov: impl Fn(u32) -> Defaults + 'a,
) -> impl Iterator<Item = Option<Traf<'a>>> + 'a {
    // The end of the previous track's samples.
    let mut end = at;
    let trafs = children(moof).filter(|(kind, _)| kind.0 == *b"traf");
    trafs.map(move |(_, traf)| Traf::read(traf, at, &mut end, &of_moov))
}

impl<'a> Traf<'a> {
    fn read(
        traf: &'a [u8],
        moof_at: u64,
        end: &mut u64,
        of_moov: &impl Fn(u32) -> Defaults,
    ) -> Option<Self> {
        let (track, base, defaults) = head(child(traf, b"tfhd")?, of_moov)?;
        let base = match base {
            Base::At(at) => at,
            Base::Moof => moof_at,
            Base::Before => *end,
        };
        let time = child(traf, b"tfdt").and_then(|tfdt| match tfdt.first()? {
            1 => long(tfdt, 4),
            _ => word(tfdt, 4).map(u64::from),
        });
        let (mut runs, mut next) = (Vec::new(), base);
        for (_, trun) in children(traf).filter(|(kind, _)| kind.0 == *b"trun") {
            let (offset, run) = Run::read(trun, defaults)?;
            let start = match offset {
                Some(offset) => base.checked_add_signed(offset.into())?,
                None => next,
            };
            next = start.saturating_add(run.bytes().unwrap_or(0));
            *end = next;
            runs.push((start, run));
        }
        Some(Self { track, defaults, time, runs })
    }
}

/// What the offsets of runs are relative to.
enum Base {
    At(u64),
    /// The start of the fragment.
    Moof,
    /// The end of the previous track's samples; for the first track, the start of the fragment.
    Before,
}

/// Reads a `tfhd`: the track, the base of offsets, and the defaults for its samples.
fn head(tfhd: &[u8], of_moov: &impl Fn(u32) -> Defaults) -> Option<(u32, Base, Defaults)> {
    let (flags, track) = (word(tfhd, 0)?, word(tfhd, 4)?);
    let mut at = 8;
    let mut next = |flag: u32, bytes: usize| {
        let here = at;
        let is_there = flags & flag != 0;
        at += if is_there { bytes } else { 0 };
        is_there.then_some(here)
    };
    let base = match next(0x1, 8) {
        Some(at) => Base::At(long(tfhd, at)?),
        None if flags & 0x02_0000 != 0 => Base::Moof,
        None => Base::Before,
    };
    let fields = [next(0x2, 4), next(0x8, 4), next(0x10, 4), next(0x20, 4)];
    let [description, duration, size, flags] = fields.map(|at| at.and_then(|at| word(tfhd, at)));
    let others = of_moov(track);
    let defaults = Defaults {
        description: description.or(others.description),
        duration: duration.or(others.duration),
        size: size.or(others.size),
        flags: flags.or(others.flags),
    };
    Some((track, base, defaults))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A run of samples (`trun`).
#[derive(Debug)]
pub(in super::super) struct Run<'a> {
    pub count: u32,
    flags: u32,
    first_flags: Option<u32>,
    defaults: Defaults,
    entries: &'a [u8],
}

impl<'a> Run<'a> {
    const DURATION: u32 = 0x100;
    const SIZE: u32 = 0x200;
    const FLAGS: u32 = 0x400;
    /// All fields that a sample may have, in order.
    const FIELDS: [u32; 4] = [Self::DURATION, Self::SIZE, Self::FLAGS, 0x800];

    /// Reads the run, and its offset from the base.
    fn read(trun: &'a [u8], defaults: Defaults) -> Option<(Option<i32>, Self)> {
        let (flags, count) = (word(trun, 0)?, word(trun, 4)?);
        let (has_offset, has_first) = (flags & 0x1 != 0, flags & 0x4 != 0);
        let offset = if has_offset { Some(word(trun, 8)?.cast_signed()) } else { None };
        let after = 8 + 4 * usize::from(has_offset);
        let first_flags = if has_first { Some(word(trun, after)?) } else { None };
        let entries = trun.get(after + 4 * usize::from(has_first)..)?;
        let run = Self { count, flags, first_flags, defaults, entries };
        // A run that is shorter than its count says is damaged.
        let bytes = u64::from(count).saturating_mul(run.width() as u64);
        (bytes <= run.entries.len() as u64).then_some((offset, run))
    }

    /// The bytes of one sample's entry; 0 if all samples are alike.
    pub fn width(&self) -> usize {
        4 * Self::FIELDS.iter().filter(|field| self.flags & **field != 0).count()
    }

    /// The offset of a field in an entry.
    fn place(&self, field: u32) -> Option<usize> {
        let before = Self::FIELDS.iter().take_while(|other| **other != field);
        let at = 4 * before.filter(|other| self.flags & **other != 0).count();
        (self.flags & field != 0).then_some(at)
    }

    /// The sum of a field over all samples; samples without it count as `default`.
    fn sum(&self, field: u32, default: Option<u32>) -> Option<u64> {
        let count = u64::from(self.count);
        let Some(at) = self.place(field) else {
            return default.map(|one| count.saturating_mul(one.into()));
        };
        let entries = self.entries.chunks_exact(self.width()).take(self.count as usize);
        Some(entries.filter_map(|entry| word(entry, at)).map(u64::from).sum())
    }

    /// The total bytes of its samples, if known.
    pub fn bytes(&self) -> Option<u64> {
        self.sum(Self::SIZE, self.defaults.size)
    }

    /// Their total duration in the track's time scale, if known.
    pub fn ticks(&self) -> Option<u64> {
        self.sum(Self::DURATION, self.defaults.duration)
    }

    /// Its samples, in order.
    pub fn samples(&self) -> impl Iterator<Item = Entry> {
        const DEPENDS: u32 = 0x1_0000;
        let field = |number: u32, field: u32, default: Option<u32>| match self.place(field) {
            Some(at) => word(self.entries, number as usize * self.width() + at),
            None => default,
        };
        (0..self.count).map(move |number| {
            let first = self.first_flags.filter(|_| number == 0);
            let flags = first.or(field(number, Self::FLAGS, self.defaults.flags)).unwrap_or(0);
            Entry {
                size: field(number, Self::SIZE, self.defaults.size),
                duration: field(number, Self::DURATION, self.defaults.duration),
                is_sync: flags & DEPENDS == 0,
            }
        })
    }
}
