//! Rooms from all over those that are due, a few of which tell what is to be expected of the rest.
//! Pure.

/// The order in which samples are taken: the last room, the one in the middle, those at the quarters,
/// at the eighths, and so on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Samples {
    taken: u32,
}

impl Samples {
    /// The place of the next sample among so many rooms, from 0.
    pub(super) fn next_place(&mut self, rooms: u64) -> u64 {
        // The bits of a counter, read backwards, halve again and again what was not halved yet.
        let part = if self.taken == 0 { u32::MAX } else { self.taken.reverse_bits() };
        self.taken = self.taken.wrapping_add(1);
        let place = (u128::from(rooms) * u128::from(part)) >> u32::BITS;
        u64::try_from(place).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_come_from_everywhere() {
        let places = |rooms: u64| {
            let mut samples = Samples::default();
            (0..8).map(|_| samples.next_place(rooms)).collect::<Vec<_>>()
        };
        assert_eq!(places(8), [7, 4, 2, 6, 1, 5, 3, 7]);
        assert_eq!(places(1_000), [999, 500, 250, 750, 125, 625, 375, 875]);
        assert_eq!(places(1), [0; 8]);
        assert_eq!(places(0), [0; 8]);
        assert_eq!(places(u64::from(u32::MAX))[0], u64::from(u32::MAX) - 1);
    }
}
