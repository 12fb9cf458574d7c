//! What was found and what was not, as a table and against what is asked for.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::ops::Range;

use super::mutations::{Kind, Mutation};
use super::oracle::Decoded;
use super::videos::{Unit, Video};

/// What came of one file that was damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub number: u64,
    pub video: String,
    pub rate: String,
    pub kind: Kind,
    pub size: usize,
    pub aim: Option<Aim>,
    /// Whether ffmpeg complains, or shows something else than before.
    pub harm: Option<String>,
    pub is_found: bool,
    pub verdict: String,
}

/// What has to be found, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Aim {
    ZerosInPicture,
    NalLength,
    Large,
    Middling,
    Tables,
    AbsurdTimes,
}

impl Aim {
    const ALL: [Self; 6] = [
        Self::ZerosInPicture,
        Self::NalLength,
        Self::Large,
        Self::Middling,
        Self::Tables,
        Self::AbsurdTimes,
    ];

    /// What a damage is, of what has to be found.
    pub fn of(video: &Video, mutation: &Mutation, decoded: &Decoded) -> Option<Self> {
        match mutation.kind {
            Kind::Flipped("stsz" | "stsc" | "stco" | "co64")
                if decoded.complaint.is_some() && !video.is_unknown() =>
            {
                return Some(Self::Tables);
            }
            Kind::Flipped("ctts") if decoded.has_absurd_times() => return Some(Self::AbsurdTimes),
            Kind::Flipped(_) | Kind::Trailing => return None,
            _ => {}
        }
        let is_changed =
            |at: &Range<usize>| mutation.bytes.get(at.clone()) != video.bytes.get(at.clone());
        let covers = |length: &Range<usize>| {
            let within = |at: &Range<usize>| at.start <= length.start && length.end <= at.end;
            mutation.places.iter().any(within) && is_changed(length)
        };
        let has_size = mutation.bytes.len() == video.bytes.len();
        // Where nothing tells of the last fragment any more, it is as if other bytes followed the one before,
        // which ffmpeg plays in silence.
        let hits = |head: &Range<usize>| {
            mutation.places.iter().any(|at| at.start < head.end && head.start < at.end)
        };
        let is_named = mutation.kind == Kind::Zeros || !video.last_head.as_ref().is_some_and(hits);
        if has_size && is_named && video.units.iter().any(|unit| covers(&unit.length)) {
            return Some(Self::NalLength);
        }
        let zeros = mutation.places.first().filter(|_| mutation.kind == Kind::Zeros);
        let is_within = |unit: &Unit| {
            zeros.is_some_and(|at| {
                let from = at.start.max(unit.body.start);
                unit.is_picture && at.end < unit.body.end && at.end.saturating_sub(from) >= 64
            })
        };
        if video.units.iter().any(is_within) {
            return Some(Self::ZerosInPicture);
        }
        match mutation.size >> 10 {
            _ if video.largest_sample > 64 << 10 || video.is_unknown() || !is_named => None,
            256.. => Some(Self::Large),
            64.. => Some(Self::Middling),
            _ => None,
        }
    }

    fn asked_percent(self) -> usize {
        match self {
            Self::Large => 99,
            Self::Middling => 90,
            _ => 100,
        }
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ZerosInPicture => "64 zeros and more within a picture",
            Self::NalLength => "covers the length of a NAL unit",
            Self::Large => "other damage of 256 KiB and more, samples up to 64 KiB",
            Self::Middling => "other damage of 64 KiB, samples up to 64 KiB",
            Self::Tables => "a bit of stsz, stsc, stco or co64, ffmpeg complains",
            Self::AbsurdTimes => "a bit of ctts, equal or absurd times",
        })
    }
}

/// How many of some damages there were.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    all: usize,
    harmful: usize,
    found: usize,
    false_alarms: usize,
}

impl Counts {
    fn add(&mut self, outcome: &Outcome) {
        let is_harmful = outcome.harm.is_some();
        self.all += 1;
        self.harmful += usize::from(is_harmful);
        self.found += usize::from(is_harmful && outcome.is_found);
        self.false_alarms += usize::from(outcome.is_false_alarm());
    }
}

impl Outcome {
    /// Whether something is said of a file that is as good as before. One that ends too early is not, even
    /// if only a comment at its end is missing.
    pub fn is_false_alarm(&self) -> bool {
        self.harm.is_none() && self.is_found && self.kind != Kind::Truncated
    }

    pub fn is_missed(&self) -> bool {
        self.harm.is_some() && !self.is_found
    }
}

/// The table of what was found, in Markdown.
pub(super) fn table(outcomes: &[Outcome]) -> String {
    let mut out = String::new();
    let mut section = |title: &str, name: &dyn Fn(&Outcome) -> Option<(usize, String)>| {
        let mut rows: BTreeMap<(usize, String), Counts> = BTreeMap::new();
        for outcome in outcomes {
            if let Some(name) = name(outcome) {
                rows.entry(name).or_default().add(outcome);
            }
        }
        let _ = writeln!(
            out,
            "\n| {title} | files | ffmpeg complains or differs | found | not found | false alarms |"
        );
        let _ = writeln!(out, "|---|---|---|---|---|---|");
        for ((_, name), counts) in rows {
            let Counts { all, harmful, found, false_alarms } = counts;
            let missed = harmful - found;
            let _ = writeln!(
                out,
                "| {name} | {all} | {harmful} | {found} | {missed} | {false_alarms} |"
            );
        }
    };
    section("all", &|_| Some((0, "all".to_owned())));
    section("kind", &|outcome| Some((0, outcome.kind.to_string())));
    section("size", &|outcome| {
        let size = match outcome.size {
            0 => "a bit".to_owned(),
            bytes @ ..1024 => format!("{bytes} bytes"),
            bytes => format!("{} KiB", bytes >> 10),
        };
        Some((outcome.size, size))
    });
    section("bits a second", &|outcome| Some((0, outcome.rate.clone())));
    section("asked for", &|outcome| Some((outcome.aim? as usize, outcome.aim?.to_string())));
    out
}

/// Where less was found than is asked for, or something that is not there.
pub(super) fn shortfalls(outcomes: &[Outcome]) -> Vec<String> {
    let mut all = Vec::new();
    for aim in Aim::ALL {
        let harmful = || outcomes.iter().filter(|o| o.aim == Some(aim) && o.harm.is_some());
        let (count, found) = (harmful().count(), harmful().filter(|o| o.is_found).count());
        if found * 100 < count * aim.asked_percent() {
            all.push(format!(
                "{aim}: {found} of {count} found, {} % asked for",
                aim.asked_percent()
            ));
        }
    }
    let false_alarms = outcomes.iter().filter(|outcome| outcome.is_false_alarm()).count();
    if false_alarms > 0 {
        all.push(format!("{false_alarms} false alarms"));
    }
    all
}
