//! A film that ends before its last sample: kept as it is, once there is no hope for more of it. And one
//! whose boxes are in the same disorder each time.

use super::doubts::{Doubts, Hope};
use super::failure::Failure;
use super::hashing::{Disorder, Hashed};
use crate::media::mp4::Mp4Error;
use crate::media::mp4::samples::{Examined, Place, Wrong};
use crate::model::Damage;

/// What is told of the samples of such a film.
const UNEXAMINED: &str = "it ends before its last sample";

/// What is told of the samples of a film whose boxes are lost.
const LOST: &str = "its boxes cannot be followed to its samples";

/// The damage of a film that is cut, to be kept; its samples that are not there are no damage beside it.
/// Or of one whose boxes are in disorder. `None` for any other.
///
/// # Errors
/// Where it may yet come whole, or another time: it is asked for once more.
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

/// Where a cut film should end, as far as its boxes and tables say.
fn reaches_to(error: &Mp4Error) -> Option<u64> {
    match error {
        Mp4Error::Truncated { end, .. } | Mp4Error::SamplesBeyond { end, .. } => Some(*end),
        Mp4Error::Length { announced, .. } => Some(*announced),
        _ => None,
    }
}
