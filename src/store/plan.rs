//! How a file is split into the parts of a multipart upload.

use std::ops::Range;

use super::Error;

const MIB: u64 = 1 << 20;

/// S3's smallest part, except for the last of an upload.
pub const SMALLEST_PART: u64 = 5 * MIB;

/// S3's largest part.
pub const LARGEST_PART: u64 = 5 << 30;

/// The most parts an upload may have.
pub const MOST_PARTS: u32 = 10_000;

/// The smallest part for a file of unknown length: 10 000 of them hold 156 GiB.
const SMALLEST_BLIND_PART: u64 = 16 * MIB;

/// Equal parts, as R2 demands; only the last may be shorter.
///
/// A plan is kept for the life of an upload: the same inputs give the same plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartPlan {
    part_bytes: u64,
    total: Option<u64>,
}

impl PartPlan {
    /// The plan for `total` bytes, or an unknown number of them, in parts of about `part_bytes`.
    ///
    /// The size is raised to what S3 allows, and, in steps of 1 MiB, until a file of known length
    /// fits into 10 000 parts. A file of unknown length gets parts of 16 MiB or more.
    pub fn new(total: Option<u64>, part_bytes: u64) -> Self {
        let needed = match total {
            Some(total) => total.div_ceil(u64::from(MOST_PARTS)).div_ceil(MIB) * MIB,
            None => SMALLEST_BLIND_PART,
        };
        let part_bytes = part_bytes.max(needed).clamp(SMALLEST_PART, LARGEST_PART);
        Self { part_bytes, total }
    }

    /// The size of every part but the last, in bytes.
    pub fn part_bytes(&self) -> u64 {
        self.part_bytes
    }

    /// The number of parts; `None` if the length is not known. An empty file has none.
    pub fn parts(&self) -> Option<u64> {
        self.total.map(|total| total.div_ceil(self.part_bytes))
    }

    /// Whether the file is known to fit into one part, and so into a single `PutObject`.
    pub fn is_single(&self) -> bool {
        self.parts().is_some_and(|parts| parts <= 1)
    }

    /// The byte range of part `number`, counted from 1; `None` past the end of a file of known length.
    ///
    /// # Errors
    /// `TooManyParts` past part 10 000, which only a file of unknown length, or one larger than 48 TiB,
    /// reaches.
    pub fn range(&self, number: u32) -> Result<Option<Range<u64>>, Error> {
        let start = u64::from(number.saturating_sub(1)).saturating_mul(self.part_bytes);
        let end = start.saturating_add(self.part_bytes);
        match self.total {
            Some(total) if start >= total => Ok(None),
            _ if number > MOST_PARTS => Err(Error::TooManyParts { part_bytes: self.part_bytes }),
            Some(total) => Ok(Some(start..end.min(total))),
            None => Ok(Some(start..end)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_grow_only_when_the_file_would_need_too_many() {
        assert_eq!(PartPlan::new(Some(1 << 30), 8 * MIB).parts(), Some(128));
        assert_eq!(PartPlan::new(Some(100 << 30), 8 * MIB).part_bytes(), 11 * MIB);
        assert_eq!(PartPlan::new(Some(5 << 40), 8 * MIB).part_bytes(), 525 * MIB);
    }

    #[test]
    fn a_small_file_is_a_single_object() {
        for (total, parts) in [(0, 0), (1, 1), (8 * MIB, 1)] {
            let plan = PartPlan::new(Some(total), 8 * MIB);
            assert_eq!((plan.parts(), plan.is_single()), (Some(parts), true), "{total}");
        }
        assert!(!PartPlan::new(Some(8 * MIB + 1), 8 * MIB).is_single());
        assert!(!PartPlan::new(None, 8 * MIB).is_single());
    }

    #[test]
    fn a_file_without_a_length_has_large_parts_and_at_last_too_many() {
        let plan = PartPlan::new(None, 8 * MIB);
        assert_eq!(plan.part_bytes(), 16 * MIB);
        assert_eq!(plan.range(1).unwrap(), Some(0..16 * MIB));
        assert!(plan.range(10_000).is_ok());
        let error = plan.range(10_001).unwrap_err();
        assert!(error.to_string().contains("hint: configure larger parts"), "{error}");
    }

    #[test]
    fn a_number_beyond_all_bounds_is_past_the_end() {
        let plan = PartPlan::new(Some(u64::MAX), 8 * MIB);
        assert_eq!(plan.part_bytes(), LARGEST_PART);
        assert!(plan.range(10_001).is_err());
        assert_eq!(plan.range(u32::MAX).unwrap(), None);
        assert_eq!(plan.range(1).unwrap(), Some(0..LARGEST_PART));
    }

    proptest! {
        #[test]
        fn the_parts_are_equal_legal_and_cover_the_file(
            total in prop_oneof![0..64 * MIB, 0..LARGEST_PART, 0_u64..5 << 40],
            wish in prop_oneof![0..64 * MIB, any::<u64>()],
        ) {
            let plan = PartPlan::new(Some(total), wish);
            let parts = u32::try_from(plan.parts().unwrap()).unwrap();
            prop_assert!(parts <= MOST_PARTS);
            prop_assert!((SMALLEST_PART..=LARGEST_PART).contains(&plan.part_bytes()));
            let mut end = 0;
            for number in 1..=parts {
                let range = plan.range(number).unwrap().unwrap();
                prop_assert_eq!(range.start, end);
                prop_assert!(range.end - range.start == plan.part_bytes() || number == parts);
                end = range.end;
            }
            prop_assert_eq!(end, total);
            prop_assert_eq!(plan.range(parts + 1).unwrap(), None);
        }
    }
}
