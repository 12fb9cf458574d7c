//! Decides about damaged samples of a segment: whether the damage came about in the transfer, and what
//! is archived. Also reads sample tables ahead of their turn.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use bytes::Bytes;

use super::copy::Target;
use super::failure::Failure;
use super::hashing::{Borders, Hashed, MOST_AGAIN};
use super::parts::Part;
use super::second_look::{Seen, around, look};
use super::source::Source;
use super::taking::rewound;
use crate::media::mp4::MoovBeyond;
use crate::media::mp4::samples::{Place, SampleTables};
use crate::media::source::SourceFile;
use crate::model::{Crc64Nvme, Damage, Reason};
use crate::schedule::{Reserved, Schedule};
use crate::store::PartPlan;

/// The largest `moov` used to examine samples, in bytes: that of 7 hours.
const LARGEST: u64 = 16 << 20;

/// A `moov` up to this size is held outside the memory budget, like one that comes first.
const SMALL: u64 = 1 << 20;

/// Reads the sample tables ahead of their turn, or says why it cannot.
pub(super) async fn tables(
    schedule: &Schedule,
    source: &Source,
    file: &SourceFile,
    beyond: MoovBeyond,
) -> Result<SampleTables, String> {
    let (MoovBeyond::Payload(at) | MoovBeyond::Boxes(at)) = &beyond;
    let bytes = at.end - at.start;
    if !file.ranged {
        return Err("its sample tables come last, and its host serves no ranges".to_owned());
    }
    if bytes > LARGEST {
        return Err("its sample tables are too large, or too far behind the samples".to_owned());
    }
    let reserved = if bytes <= SMALL { None } else { schedule.reserve(bytes) };
    if bytes > SMALL && reserved.is_none() {
        return Err(
            "its sample tables did not fit into the memory that [transfer] allows".to_owned()
        );
    }
    let read = source.beside(file, at.clone()).await;
    let bytes = read.map_err(|error| {
        let error = Reason::of(&error).message;
        format!("its sample tables could not be read before the samples: {error}")
    })?;
    let bytes = Bytes::from_owner(Kept { bytes, _reserved: reserved });
    let tables = match beyond {
        MoovBeyond::Payload(at) => SampleTables::read(&bytes, at.start),
        MoovBeyond::Boxes(at) => SampleTables::in_tail(&bytes, at.start),
    };
    tables.map_err(|error| error.to_string())
}

/// Sample tables and their memory.
struct Kept {
    bytes: Vec<u8>,
    _reserved: Option<Reserved>,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Decides about a file with damaged samples. If the same bytes came again, the damage is at the
/// source, and the file is archived as it is.
///
/// Damage that shows only at the end, when the tables are read, is checked by fetching its parts again
/// now.
///
/// # Errors
/// [`Failure::Rewound`] where a part is different now: the file is fetched again from there on.
/// [`Failure::Slipped`] where too many parts are damaged to fetch each again: the whole file is fetched
/// once more.
pub(super) async fn judge(
    source: &Source,
    (file, plan): (&SourceFile, PartPlan),
    (hashed, borders): (&Hashed, &Borders),
    target: &Target,
) -> Result<Vec<Damage>, Failure> {
    let places = hashed.samples.as_ref().map(|samples| samples.places.as_slice());
    let Some((first, places)) = places.and_then(|places| places.first().zip(Some(places))) else {
        return Ok(Vec::new());
    };
    let damage = |seen| Ok(places.iter().map(|place| damage(place, hashed.bytes, seen)).collect());
    let looked = &hashed.looked;
    let late: Vec<Place> =
        places.iter().filter(|place| !looked.is_alike(place.range.start)).cloned().collect();
    let moov = hashed.structure.as_ref().map(|structure| &structure.moov_at);
    if !looked.has_more() && target.doubts.is_none() && file.ranged {
        let parts = parts_of(&late, moov.filter(|_| !late.is_empty()), plan, hashed.bytes);
        let others = match parts {
            Some(parts) => others(source, (file, plan), &parts, &hashed.part_crcs).await?,
            None => None,
        };
        match others.map(|parts| parts.first().copied().zip(Some(parts))) {
            Some(None) => return damage(2),
            Some(Some((first, parts))) => {
                for range in parts.iter().filter_map(|part| plan.range(*part).ok().flatten()) {
                    source.doubt_part(range.start);
                }
                return Err(rewound(borders, first, looked.clone(), late_at(&late)));
            }
            None => {}
        }
    }
    match target.doubts.note(hashed.digests.sha256, target.hope) {
        Some(seen) => damage(seen),
        None => {
            source.doubt_all();
            Err(Failure::Slipped { offset: first.range.start, what: first.what.to_string() })
        }
    }
}

/// Fetches the damaged ranges of a one-part segment again. Returns whether the bytes changed, so that
/// it must be hashed again.
///
/// # Errors
/// When the host does not answer.
pub(super) async fn look_at_small(
    source: &Source,
    file: &SourceFile,
    part: &mut Part,
    hashed: &mut Hashed,
) -> Result<bool, Failure> {
    let places = hashed.samples.as_ref().map_or(&[][..], |samples| &samples.places);
    let mut found: Vec<Range<u64>> = places.iter().map(|place| place.range.clone()).collect();
    if places.iter().any(|place| place.is_in_tables) {
        found.extend(hashed.structure.as_ref().map(|structure| structure.moov_at.clone()));
    }
    let all = 0..hashed.bytes;
    let Some(window) = around(&found, &all).filter(|_| file.ranged) else { return Ok(false) };
    if !hashed.looked.may_ask() {
        return Ok(false);
    }
    let seen = look(source, file, part, (&all, window.clone())).await?;
    if seen == Seen::Alike {
        hashed.looked.note_alike(window);
    }
    Ok(matches!(seen, Seen::Otherwise(_)))
}

fn late_at(late: &[Place]) -> u64 {
    late.first().map_or(0, |place| place.range.start)
}

/// The parts with damage and those with the tables; `None` if there are too many.
fn parts_of(
    places: &[Place],
    moov: Option<&Range<u64>>,
    plan: PartPlan,
    total: u64,
) -> Option<BTreeSet<u32>> {
    let number =
        |at: u64| u32::try_from(at / plan.part_bytes()).unwrap_or(u32::MAX).saturating_add(1);
    let of = |range: &Range<u64>| {
        let last = range.end.min(total).saturating_sub(1);
        number(range.start.min(last))..=number(last)
    };
    let ranges = places.iter().map(|place| of(&place.range));
    let count = ranges.clone().map(|parts| (parts.end() - parts.start()) as usize + 1);
    // Checked before listing the parts, because one place may span the whole file.
    if count.max().unwrap_or(0) > MOST_AGAIN {
        return None;
    }
    let mut parts: BTreeSet<u32> = ranges.flatten().collect();
    let is_few = parts.len() <= MOST_AGAIN;
    parts.extend(moov.into_iter().flat_map(of));
    is_few.then_some(parts)
}

/// Those of the parts that are different now; `None` if that cannot be determined for one of them.
async fn others(
    source: &Source,
    (file, plan): (&SourceFile, PartPlan),
    parts: &BTreeSet<u32>,
    crcs: &BTreeMap<u32, Crc64Nvme>,
) -> Result<Option<BTreeSet<u32>>, Failure> {
    let mut others = BTreeSet::new();
    for part in parts {
        let (Some(range), Some(known)) = (plan.range(*part)?, crcs.get(part)) else {
            return Ok(None);
        };
        match source.crc_again(file, &range).await {
            Ok(crc) if crc == *known => {}
            Ok(_) => drop(others.insert(*part)),
            Err(failure) if failure.is_about_ranges() => return Ok(None),
            Err(failure) => return Err(failure),
        }
    }
    Ok(Some(others))
}

fn damage(place: &Place, total: u64, seen: u32) -> Damage {
    let Range { start, end } = place.range;
    let (start, end) = (start.min(total), end.min(total));
    Damage {
        offset: start,
        length: end.saturating_sub(start),
        at_ms: place.at_ms,
        duration_ms: place.duration_ms,
        what: place.what.to_string(),
        seen,
    }
}
