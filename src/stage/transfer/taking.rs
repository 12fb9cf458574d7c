//! Takes the parts of a segment for hashing, and fetches damaged ones again.

use super::Context;
use super::examining::tables;
use super::failure::Failure;
use super::hashing::{Borders, Hashing, Looked, PartHash};
use super::parts::Part;
use super::second_look::{AROUND, Seen, around, look};
use super::source::Source;
use crate::media::source::SourceFile;
use crate::store::{PartDigests, PartPlan};

/// What taking the parts of a file needs.
pub(super) struct Taking<'a> {
    pub context: &'a Context,
    pub source: &'a Source,
    pub file: &'a SourceFile,
    pub plan: PartPlan,
    pub own: PartHash,
    /// Whether damaged parts are fetched again. Not if the whole file is already being fetched again
    /// for that.
    pub is_looking: bool,
    /// Whether damage in the last part may continue in the next.
    pub reaches_on: bool,
}

impl Taking<'_> {
    /// Takes the next part. If its samples are damaged and different bytes come when they are fetched
    /// again, the part is taken with these.
    ///
    /// # Errors
    /// When the bytes cannot be those of the expected format, when the host does not answer, or when
    /// the damage began in an earlier part: [`Failure::Rewound`].
    pub(super) async fn part(
        &mut self,
        hashing: Hashing,
        part: &mut Part,
        borders: &Borders,
    ) -> Result<(Hashing, PartDigests), Failure> {
        let (mut hashing, mut digests) = self.take(hashing, part).await?;
        let before = borders.before(part.number).filter(|_| self.is_looking);
        let (Some(before), Some(range)) = (before, self.plan.range(part.number)?) else {
            return Ok((hashing, digests));
        };
        let beginning = range.start..range.start.saturating_add(1);
        let mut reached = std::mem::take(&mut self.reaches_on).then_some(beginning);
        // Bounded by the number of ranges that may be fetched again.
        loop {
            let mut found = hashing.found_since(before);
            found.extend(reached.take());
            let Some(window) = around(&found, &range) else { return Ok((hashing, digests)) };
            if !hashing.looked.may_ask() {
                return Ok((hashing, digests));
            }
            let seen = look(self.source, self.file, part, (&range, window.clone())).await?;
            tell(part.number, &found, &seen);
            self.reaches_on |= seen.reaches_beyond(&range);
            let is_near = found.iter().any(|at| at.start < range.start.saturating_add(AROUND));
            if seen.reaches_before(&range) || (is_near && seen == Seen::Alike) {
                self.check_part_before(&mut hashing, part.number, borders).await?;
            }
            match seen {
                Seen::Unknown => return Ok((hashing, digests)),
                Seen::Alike => {
                    hashing.looked.note_alike(window);
                    return Ok((hashing, digests));
                }
                Seen::Otherwise(at) => {
                    let slipped = || slipped(at.start);
                    hashing = hashing.back_to(before).ok_or_else(slipped)?;
                    (hashing, digests) = self.take(hashing, part).await?;
                }
            }
        }
    }

    /// Takes a part, and reads the sample tables if they are needed now.
    async fn take(&self, hashing: Hashing, part: &Part) -> Result<(Hashing, PartDigests), Failure> {
        let bytes = part.bytes.get();
        let (mut hashing, digests) = hashing.part(bytes.clone(), self.own).await?;
        if part.number == 1
            && let Some(beyond) = hashing.needs_tables(self.file.total)
        {
            let tables = tables(&self.context.schedule, self.source, self.file, beyond).await;
            hashing.examine_by(tables, bytes);
        }
        Ok((hashing, digests))
    }

    /// Checks the part before `number`, which is no longer in memory, by comparing its CRC.
    async fn check_part_before(
        &self,
        hashing: &mut Hashing,
        number: u32,
        borders: &Borders,
    ) -> Result<(), Failure> {
        let part = number.saturating_sub(1);
        let (Some(range), Some(known)) = (self.plan.range(part)?, hashing.part_crc(part)) else {
            return Ok(());
        };
        let is_known = hashing.looked.is_alike(range.end.saturating_sub(1));
        if part == 0 || is_known || !hashing.looked.may_ask() {
            return Ok(());
        }
        match self.source.crc_again(self.file, &range).await {
            Ok(crc) if crc == known => hashing.looked.note_alike(range),
            Ok(_) => {
                self.source.doubt_part(range.start);
                self.source.doubt_part(range.end);
                return Err(rewound(borders, part, hashing.looked.clone(), range.start));
            }
            Err(failure) if failure.is_about_ranges() => {}
            Err(failure) => return Err(failure),
        }
        Ok(())
    }
}

/// The failure that makes the transfer fetch the file again from `part` on. It keeps what was `looked`
/// at.
pub(super) fn rewound(borders: &Borders, part: u32, looked: Looked, offset: u64) -> Failure {
    match borders.before(part) {
        Some(to) => {
            let to = Box::new(to.looking(looked));
            Failure::Rewound { to, offset }
        }
        None => slipped(offset),
    }
}

fn slipped(offset: u64) -> Failure {
    let what = "different bytes arrived for a range that was already transferred".to_owned();
    Failure::Slipped { offset, what }
}

fn tell(part: u32, found: &[std::ops::Range<u64>], seen: &Seen) {
    let offset = found.first().map(|found| found.start);
    let what = match seen {
        Seen::Alike => "the same bytes arrived again",
        Seen::Otherwise(_) => "different bytes arrived and replaced them",
        Seen::Unknown => "failed to fetch them again",
    };
    tracing::info!(
        part,
        segment.damage.offset = offset,
        "the samples of part {part} are damaged: {what}"
    );
}
