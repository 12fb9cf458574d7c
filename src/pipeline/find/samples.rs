//! Samples of the due rooms: a few that show what to expect of the rest.

/// The order of the samples: the last room, the middle one, those at the quarters, the eighths, and
/// so on; between each two, the most urgent one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Samples {
    taken: u32,
}

impl Samples {
    /// The index of the next sample among `rooms` rooms, from 0.
    pub(super) fn next_place(&mut self, rooms: u64) -> u64 {
        let (number, is_urgent) = (self.taken / 2, self.taken % 2 == 1);
        self.taken = self.taken.wrapping_add(1);
        if is_urgent {
            return 0;
        }
        // The reversed bits of a counter halve the range again and again.
        let part = if number == 0 { u32::MAX } else { number.reverse_bits() };
        let place = (u128::from(rooms) * u128::from(part)) >> u32::BITS;
        u64::try_from(place).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_come_from_everywhere_and_every_second_one_is_the_most_urgent() {
        let places = |rooms: u64| {
            let mut samples = Samples::default();
            let places = (0..8).map(|_| (samples.next_place(rooms), samples.next_place(rooms)));
            let (places, urgent): (Vec<_>, Vec<_>) = places.unzip();
            assert_eq!(urgent, [0; 8]);
            places
        };
        assert_eq!(places(8), [7, 4, 2, 6, 1, 5, 3, 7]);
        assert_eq!(places(1_000), [999, 500, 250, 750, 125, 625, 375, 875]);
        assert_eq!(places(1), [0; 8]);
        assert_eq!(places(0), [0; 8]);
        assert_eq!(places(u64::from(u32::MAX))[0], u64::from(u32::MAX) - 1);
    }
}
