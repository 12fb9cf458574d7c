//! Decides about a truncated segment, which is kept once there is no hope for more of it, and about one
//! whose boxes are in the same disorder each time.

use super::doubts::{Doubts, Hope};
use super::failure::Failure;
use super::hashing::{Disorder, Hashed};
use crate::media::mp4::Mp4Error;
use crate::media::mp4::samples::{Examined, Place, Wrong};
use crate::model::Damage;

/// What the manifest says about the samples of a truncated segment.
const UNEXAMINED: &str = "it ends before its last sample";

/// What the manifest says about the samples of a segment whose boxes cannot be followed.
const LOST: &str = "its boxes do not lead to its samples";

/// The damage of a segment that is kept although it is truncated or its boxes are in disorder; `None`
/// for any other. Samples beyond the end do not count as additional damage.
///
/// # Errors
/// When the file may yet come complete or different: it is fetched once more.
pub(super) fn settle(
    hashed: &mut Hashed,
    doubts: &Doubts,
    hope: Hope,
    known: Option<u64>,
) -> Result<Option<Damage>, Failure> {
    if let Some(Disorder { offset, what }) = hashed.disorder.clone() {
        let unexamined = Some(LOST.to_owned());
        hashed.samples = Some(Examined { places: Vec::new(), unexamined });
        let length = hashed.bytes.saturating_sub(offset);
        return Ok(Some(Damage { offset, length, at_ms: None, duration_ms: None, what, seen: 2 }));
    }
    let Some(error) = hashed.cut.clone() else { return Ok(None) };
    let seen = doubts.note(hashed.digests.sha256, hope);
    let Some(seen) = seen.filter(|_| hope == Hope::Spent) else {
        return Err(Failure::Slipped { offset: hashed.bytes, what: error.to_string() });
    };
    let total = hashed.bytes;
    let end = known.into_iter().chain(reaches_to(&error)).max().unwrap_or(total);
    let samples = hashed.samples.take();
    let is_missing = |place: &Place| place.what == Wrong::Outside || place.range.start >= total;
    let (missing, places): (Vec<_>, Vec<_>) =
        samples.map(|samples| samples.places).unwrap_or_default().into_iter().partition(is_missing);
    hashed.samples = Some(Examined { places, unexamined: Some(UNEXAMINED.to_owned()) });
    let at_ms = missing.iter().filter_map(|place| place.at_ms).min();
    let until =
        missing.iter().filter_map(|place| place.at_ms?.checked_add(place.duration_ms?)).max();
    Ok(Some(Damage {
        offset: total,
        length: end.saturating_sub(total),
        at_ms,
        duration_ms: until.zip(at_ms).map(|(until, at)| until.saturating_sub(at)),
        what: error.to_string(),
        seen,
    }))
}

/// Where a truncated segment should end, according to its boxes and tables.
fn reaches_to(error: &Mp4Error) -> Option<u64> {
    match error {
        Mp4Error::Truncated { end, .. } | Mp4Error::SamplesBeyond { end, .. } => Some(*end),
        Mp4Error::Length { announced, .. } => Some(*announced),
        _ => None,
    }
}
