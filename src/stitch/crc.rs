//! The CRC-64 of a film, from those of its segments: no payload is read.
//!
//! A CRC is linear: that of a whole segment is known, and so are the bytes before and after its payload;
//! what they contribute can be taken away.

use crc_fast::{CrcAlgorithm, checksum, checksum_combine};

use crate::model::{Crc64Nvme, Crc64Xz};

/// A kind of CRC-64.
trait Kind: Copy {
    const ALGORITHM: CrcAlgorithm;
    /// Its polynomial, the coefficient of x^63 in the lowest bit.
    const POLYNOMIAL: u64;
    fn get(self) -> u64;
    fn of(crc: u64) -> Self;
}

impl Kind for Crc64Nvme {
    const ALGORITHM: CrcAlgorithm = CrcAlgorithm::Crc64Nvme;
    const POLYNOMIAL: u64 = 0x9a6c_9329_ac4b_c9b5;

    fn get(self) -> u64 {
        self.0
    }

    fn of(crc: u64) -> Self {
        Self(crc)
    }
}

impl Kind for Crc64Xz {
    const ALGORITHM: CrcAlgorithm = CrcAlgorithm::Crc64Xz;
    const POLYNOMIAL: u64 = 0xc96c_5795_d787_0f42;

    fn get(self) -> u64 {
        self.0
    }

    fn of(crc: u64) -> Self {
        Self(crc)
    }
}

/// Both CRCs of some bytes, as far as they are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crcs {
    /// CRC-64/NVME.
    pub nvme: Option<Crc64Nvme>,
    /// CRC-64/XZ.
    pub xz: Option<Crc64Xz>,
}

impl Crcs {
    /// Those of bytes in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self { nvme: Some(of(bytes)), xz: Some(of(bytes)) }
    }

    /// Those of everything, if these are of its beginning and `next` is of the `length` bytes that follow.
    #[must_use]
    pub fn then(self, next: Self, length: u64) -> Self {
        let nvme = self.nvme.zip(next.nvme).map(|(crc, next)| then(crc, next, length));
        let xz = self.xz.zip(next.xz).map(|(crc, next)| then(crc, next, length));
        Self { nvme, xz }
    }

    /// Those of the `length` bytes between `before` and `after`, if these are of the whole.
    #[must_use]
    pub fn between(self, before: &[u8], length: u64, after: &[u8]) -> Self {
        Self {
            nvme: self.nvme.map(|whole| between(whole, before, length, after)),
            xz: self.xz.map(|whole| between(whole, before, length, after)),
        }
    }
}

fn of<K: Kind>(bytes: &[u8]) -> K {
    K::of(checksum(K::ALGORITHM, bytes))
}

fn then<K: Kind>(crc: K, next: K, length: u64) -> K {
    K::of(checksum_combine(K::ALGORITHM, crc.get(), next.get(), length))
}

fn between<K: Kind>(whole: K, before: &[u8], length: u64, after: &[u8]) -> K {
    let nothing = K::of(0);
    let rest = length.saturating_add(after.len() as u64);
    let before = then(of::<K>(before), nothing, rest);
    let followed = whole.get() ^ before.get() ^ of::<K>(after).get();
    K::of(without_zeros::<K>(followed, after.len()))
}

/// What became `crc` by appending this many zero bytes, as far as a CRC is linear.
fn without_zeros<K: Kind>(crc: u64, bytes: usize) -> u64 {
    (0..bytes).flat_map(|_| 0..8).fold(crc, |crc, _| match crc >> 63 {
        1 => (crc ^ K::POLYNOMIAL) << 1 | 1,
        _ => crc << 1,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_crc_of_a_film_follows_from_those_of_its_segments(
            head: Vec<u8>,
            segments: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)>,
        ) {
            let mut crcs = Crcs::of(&head);
            let mut film = head;
            for (before, payload, after) in &segments {
                let whole = Crcs::of(&[before.as_slice(), payload, after].concat());
                let length = payload.len() as u64;
                let between = whole.between(before, length, after);
                prop_assert_eq!(between, Crcs::of(payload));
                crcs = crcs.then(between, length);
                film.extend(payload);
            }
            prop_assert_eq!(crcs, Crcs::of(&film));
        }
    }

    #[test]
    fn what_is_not_known_of_a_segment_is_not_known_of_the_film() {
        let half = Crcs { nvme: None, ..Crcs::of(b"b") };
        let joined = Crcs::of(b"a").then(half, 1);
        assert_eq!(joined, Crcs { nvme: None, ..Crcs::of(b"ab") });
    }
}
