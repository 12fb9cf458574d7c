//! Takes a second look at a part with damaged samples while it is in memory: fetches the suspicious
//! range again in another way. Different bytes mean that the transfer was at fault, and replace the
//! first ones.

use std::ops::Range;

use super::failure::Failure;
use super::parts::Part;
use super::source::Source;
use crate::media::source::SourceFile;

/// Bytes fetched on each side of a suspicious range. Damage shows only at the next length of a unit,
/// inside the damaged bytes or after them.
pub(super) const AROUND: u64 = 1 << 20;

/// A difference this close to the border of a part may continue in the neighbouring part.
const NEAR: u64 = 64 << 10;

/// The result of a second look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// The same bytes came again.
    Alike,
    /// Different bytes came and are now in the part. All differences are in this range.
    Otherwise(Range<u64>),
    /// The host does not serve the range now.
    Unknown,
}

impl Seen {
    /// Whether the part before `range` may be damaged too.
    pub(super) fn reaches_before(&self, range: &Range<u64>) -> bool {
        matches!(self, Self::Otherwise(at) if at.start < range.start.saturating_add(NEAR))
    }

    /// Whether the part after `range` may be damaged too.
    pub(super) fn reaches_beyond(&self, range: &Range<u64>) -> bool {
        matches!(self, Self::Otherwise(at) if at.end.saturating_add(NEAR) > range.end)
    }
}

/// The range of a part to fetch again for damage at `found`; `None` if there is nothing to fetch.
pub(super) fn around(found: &[Range<u64>], part: &Range<u64>) -> Option<Range<u64>> {
    let start = found.iter().map(|found| found.start).min()?.saturating_sub(AROUND);
    let end = found.iter().map(|found| found.end).max()?.saturating_add(AROUND);
    let clipped = start.max(part.start)..end.min(part.end);
    (!clipped.is_empty()).then_some(clipped)
}

/// Fetches a `window` of the part at `range` again, or all of the part if the window's bytes differ.
///
/// # Errors
/// When the host does not answer.
pub(super) async fn look(
    source: &Source,
    file: &SourceFile,
    part: &mut Part,
    (range, window): (&Range<u64>, Range<u64>),
) -> Result<Seen, Failure> {
    let (before, after) = (range.start..window.start, window.end..range.end);
    let mut differing = None;
    for (stretch, is_rest) in [(window, false), (before, true), (after, true)] {
        if stretch.is_empty() || (is_rest && differing.is_none()) {
            continue;
        }
        match compare(source, file, part, (range, stretch), &mut differing).await {
            Err(failure) if failure.is_about_ranges() && !is_rest && differing.is_none() => {
                return Ok(Seen::Unknown);
            }
            Err(failure) if failure.is_about_ranges() => {}
            compared => compared?,
        }
    }
    Ok(differing.map_or(Seen::Alike, Seen::Otherwise))
}

/// Fetches a stretch of a part again and replaces the bytes that differ.
async fn compare(
    source: &Source,
    file: &SourceFile,
    part: &mut Part,
    (range, stretch): (&Range<u64>, Range<u64>),
    differing: &mut Option<Range<u64>>,
) -> Result<(), Failure> {
    let mut is_kept = true;
    let take = |at: u64, bytes: &[u8]| {
        let from = usize::try_from(at - range.start).unwrap_or(usize::MAX);
        let known = part.bytes.get().get(from..).unwrap_or_default();
        let mut differ = known.iter().zip(bytes).map(|(known, byte)| known != byte);
        let Some(first) = differ.position(|differs| differs) else { return };
        let others = differ.rposition(|differs| differs).map_or(0, |last| last + 1);
        let here = at + first as u64..at + (first + 1 + others) as u64;
        let all = differing.take().unwrap_or_else(|| here.clone());
        *differing = Some(all.start.min(here.start)..all.end.max(here.end));
        is_kept &= part.bytes.overwrite(from, bytes);
    };
    source.again(file, (stretch, range), take).await?;
    match is_kept {
        true => Ok(()),
        false => {
            let what = "different bytes arrived, but the part is already fixed".to_owned();
            Err(Failure::Slipped { offset: range.start, what })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_again_lies_around_what_is_wrong_and_within_the_part() {
        let part = 10 << 20..20 << 20;
        let found = |range: Range<u64>| around(&[range], &part);
        assert_eq!(around(&[], &part), None);
        let (one, other) = (12 << 20..13 << 20, 15 << 20..16 << 20);
        assert_eq!(around(&[other, one], &part), Some(11 << 20..17 << 20));
        // A sample that began in the previous part, and one that ends in the next.
        assert_eq!(found(9 << 20..11 << 20), Some(10 << 20..12 << 20));
        assert_eq!(found((20 << 20) - 1..30 << 20), Some((19 << 20) - 1..20 << 20));
    }

    #[test]
    fn what_differs_near_a_border_may_lie_beyond_it() {
        let part = 10 << 20..20 << 20;
        let reaches = |at: Range<u64>| {
            let seen = Seen::Otherwise(at);
            (seen.reaches_before(&part), seen.reaches_beyond(&part))
        };
        assert_eq!(reaches(part.clone()), (true, true));
        assert_eq!(reaches(12 << 20..13 << 20), (false, false));
        assert!(!Seen::Alike.reaches_before(&part));
    }
}
