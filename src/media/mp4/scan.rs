//! Searches for the next fragment where no box begins: what follows damage still plays.

use memchr::memmem;
use serde::{Deserialize, Serialize};

/// The beginning of every fragment after its size: its type, and the head of its `mfhd`.
const BEGINNING: &[u8; 12] = b"moof\0\0\0\x10mfhd";

/// The length including the size.
const UNIT: usize = 4 + BEGINNING.len();

/// Sizes that a fragment may have.
const SIZES: std::ops::Range<u32> = 24..64 << 20;

/// A search for a fragment in bytes as they stream by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Scan {
    /// The last bytes, in which one may have begun.
    tail: Vec<u8>,
}

/// A fragment that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub size: u64,
    /// How many of the given bytes precede the rest of its payload: they end with [`Found::SEEN`].
    pub taken: usize,
}

impl Found {
    /// The beginning of its payload.
    pub const SEEN: &[u8] = BEGINNING.split_at(4).1;
    /// The distance from the start of the fragment to the end of [`Found::SEEN`].
    pub const UNIT: u64 = UNIT as u64;
}

impl Scan {
    /// Takes the next bytes, up to the beginning of the first fragment in them.
    pub fn take(&mut self, bytes: &[u8]) -> Option<Found> {
        let before = self.tail.len();
        // A beginning in the previous bytes ends early in these.
        let border = [&self.tail, bytes.get(..UNIT).unwrap_or(bytes)].concat();
        let in_border = begins(&border).map(|(at, size)| (at + UNIT - before, size));
        let found = in_border.or_else(|| begins(bytes).map(|(at, size)| (at + UNIT, size)));
        if let Some((taken, size)) = found {
            self.tail.clear();
            return Some(Found { size, taken });
        }
        let last = if bytes.len() < UNIT { &border } else { bytes };
        self.tail = last.get(last.len().saturating_sub(UNIT - 1)..).unwrap_or_default().to_vec();
        None
    }

    /// Whether the bytes so far end with the index of fragments, of which the last box tells (`mfro`).
    pub fn ends_with_index(&self) -> bool {
        self.tail.strip_prefix(&[0, 0, 16]).is_some_and(|end| end.starts_with(b"mfro"))
    }

    /// Whether the search has not begun.
    pub fn is_fresh(&self) -> bool {
        self.tail.is_empty()
    }

    /// Whether this can be the state of a real search.
    pub fn is_sound(&self) -> bool {
        self.tail.len() < UNIT
    }
}

/// What stands where no box begins, as far as it tells whether something stood there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hole {
    /// How many zeros it begins with.
    zeros: u64,
    /// Whether other bytes follow them.
    has_more: bool,
}

impl Hole {
    /// Fewer zeros tell nothing.
    const LEAST: u64 = 64;

    /// Takes the next bytes.
    pub fn take(&mut self, bytes: &[u8]) {
        if !self.has_more {
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            self.zeros += zeros as u64;
            self.has_more = zeros < bytes.len();
        }
    }

    /// Whether zeros took the place of something, of which the rest follows.
    pub fn is_torn(self) -> bool {
        self.has_more && self.zeros >= Self::LEAST
    }
}

/// The offset and size of the first fragment in `bytes`.
fn begins(bytes: &[u8]) -> Option<(usize, u64)> {
    let mut found = memmem::find_iter(bytes, BEGINNING);
    found.find_map(|at| {
        let at = at.checked_sub(4)?;
        let size = u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?);
        SIZES.contains(&size).then_some((at, size.into()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_at_the_end_and_zeros_before_other_bytes_are_told() {
        let index = [[0, 0, 0, 16].as_slice(), b"mfro", &[0, 0, 0, 0, 0, 0, 0, 99]].concat();
        let zeros = [vec![0; 64], vec![7]].concat();
        let cases = [
            (index.clone(), true, false),
            ([&zeros, index.as_slice()].concat(), true, true),
            ([index.as_slice(), &[7]].concat(), false, false),
            (zeros.clone(), false, true),
            (zeros[1..].to_vec(), false, false),
            (zeros[..64].to_vec(), false, false),
            ([&[7], zeros.as_slice()].concat(), false, false),
        ];
        for (bytes, has_index, is_torn) in cases {
            for step in 1..=bytes.len() {
                let (mut scan, mut hole) = (Scan::default(), Hole::default());
                for bytes in bytes.chunks(step) {
                    assert_eq!(scan.take(bytes), None);
                    hole.take(bytes);
                }
                assert_eq!((scan.ends_with_index(), hole.is_torn()), (has_index, is_torn));
            }
        }
    }

    #[test]
    fn a_fragment_is_found_however_the_bytes_are_cut() {
        let fragment = [&[0, 0, 1, 0], BEGINNING.as_slice(), &[7; 20]].concat();
        let bytes =
            [b"moof and other bytes".as_slice(), &[0, 0, 0, 3], BEGINNING, &fragment].concat();
        let end = bytes.len() - 20;
        for step in 1..bytes.len() {
            let (mut scan, mut at) = (Scan::default(), 0);
            let found = bytes.chunks(step).find_map(|bytes| {
                let found = scan.take(bytes);
                at += found.map_or(bytes.len(), |found| found.taken);
                assert!(scan.is_sound());
                found
            });
            assert_eq!(
                (found.map(|found| found.size), at),
                (Some(256), end),
                "in pieces of {step}"
            );
        }
    }
}
