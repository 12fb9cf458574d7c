//! Where the samples of a segment are not what they should be: whether that came about on the way, and
//! what is archived. And the tables of samples that are read out of their turn.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::Context;
use super::failure::Failure;
use super::hashing::Hashed;
use super::source::Source;
use crate::hints::Explained;
use crate::media::mp4::MoovBeyond;
use crate::media::mp4::samples::{Film, Place};
use crate::media::source::SourceFile;
use crate::model::{Crc64Nvme, Damage};
use crate::stage::memory::Reserved;
use crate::store::PartPlan;

/// The largest `moov` that samples are examined by, in bytes: that of 7 hours.
const LARGEST: u64 = 16 << 20;

/// One that is as small as this is kept beside the memory budget, as is one that comes first.
const SMALL: u64 = 1 << 20;

/// The most parts that are fetched again, beside those with the tables: all of it is, where more are wrong.
const MOST_AGAIN: usize = 8;

/// What earlier attempts at a file have found in its samples.
#[derive(Debug, Clone, Default)]
pub(super) struct Earlier(Arc<Mutex<Option<Vec<Place>>>>);

impl Earlier {
    fn replace(&self, places: Vec<Place>) -> Option<Vec<Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(places)
    }
}

/// Reads the tables of samples that are needed before their turn; a reason where they cannot be had.
pub(super) async fn tables(
    context: &Context,
    source: &Source,
    file: &SourceFile,
    beyond: MoovBeyond,
) -> Result<Film, String> {
    let (MoovBeyond::Payload(at) | MoovBeyond::Boxes(at)) = &beyond;
    let bytes = at.end - at.start;
    if !file.ranged {
        return Err("its tables of samples come last, and its host serves no ranges".to_owned());
    }
    if bytes > LARGEST {
        return Err("its tables of samples are too large, or too far behind the samples".to_owned());
    }
    let reserved = if bytes <= SMALL { None } else { context.memory.reserve(bytes) };
    if bytes > SMALL && reserved.is_none() {
        return Err(
            "its tables of samples did not fit into the memory that [transfer] allows".to_owned()
        );
    }
    let read = source.beside(file, at.clone()).await;
    let bytes = read.map_err(|error| {
        let error = Explained::of(&error).message;
        format!("its tables of samples could not be read before the samples: {error}")
    })?;
    let bytes = Bytes::from_owner(Kept { bytes, _reserved: reserved });
    let film = match beyond {
        MoovBeyond::Payload(at) => Film::read(&bytes, at.start),
        MoovBeyond::Boxes(at) => Film::in_tail(&bytes, at.start),
    };
    film.map_err(|error| error.to_string())
}

/// Tables of samples, with their memory.
struct Kept {
    bytes: Vec<u8>,
    _reserved: Option<Reserved>,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Decides what becomes of a file in whose samples something is wrong: parts that come again as they came
/// before are damaged at the source, and the file is archived as it is.
///
/// # Errors
/// [`Failure::Slipped`] where a part comes otherwise now, or where too many are wrong to ask for each: the
/// file is to be begun again. What is found in the same places then is damage.
pub(super) async fn judge(
    source: &Source,
    (file, plan): (&SourceFile, PartPlan),
    hashed: &Hashed,
    earlier: &Earlier,
) -> Result<Vec<Damage>, Failure> {
    let places = hashed.samples.as_ref().map(|samples| samples.places.clone()).unwrap_or_default();
    let Some(first) = places.first() else { return Ok(Vec::new()) };
    let (offset, what) = (first.range.start, first.what.to_string());
    tracing::info!(
        segment.damage.places = places.len(),
        segment.damage.offset = offset,
        what,
        "the samples of a segment are not what they should be; asking for them again"
    );
    let moov = hashed.structure.as_ref().map(|structure| &structure.moov_at);
    let comes_alike = match parts_of(&places, moov, plan, hashed.bytes) {
        Some(parts) if file.ranged => {
            comes_alike(source, (file, plan), &parts, &hashed.part_crcs).await?
        }
        _ => None,
    };
    let before = earlier.replace(places.clone());
    // What comes otherwise now is not the recording's own damage, however often it was begun again.
    let is_its_own = comes_alike.unwrap_or_else(|| before.as_ref() == Some(&places));
    if is_its_own {
        return Ok(places.iter().map(|place| damage(place, hashed.bytes)).collect());
    }
    Err(Failure::Slipped { offset, what })
}

/// The parts in which something is wrong and those with the tables; `None` for too many.
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
    // Before they are listed: a place may be the whole file.
    if count.max().unwrap_or(0) > MOST_AGAIN {
        return None;
    }
    let mut parts: BTreeSet<u32> = ranges.flatten().collect();
    let is_few = parts.len() <= MOST_AGAIN;
    parts.extend(moov.into_iter().flat_map(of));
    is_few.then_some(parts)
}

/// Whether each of the parts comes again as it came before; `None` where that is not known of one.
async fn comes_alike(
    source: &Source,
    (file, plan): (&SourceFile, PartPlan),
    parts: &BTreeSet<u32>,
    crcs: &BTreeMap<u32, Crc64Nvme>,
) -> Result<Option<bool>, Failure> {
    for part in parts {
        let (Some(range), Some(known)) = (plan.range(*part)?, crcs.get(part)) else {
            return Ok(None);
        };
        if source.crc64nvme(file, range).await? != *known {
            return Ok(Some(false));
        }
    }
    Ok(Some(true))
}

fn damage(place: &Place, total: u64) -> Damage {
    let Range { start, end } = place.range;
    let (start, end) = (start.min(total), end.min(total));
    Damage {
        offset: start,
        length: end.saturating_sub(start),
        at_ms: place.at_ms,
        duration_ms: place.duration_ms,
        what: place.what.to_string(),
        seen: 2,
    }
}
