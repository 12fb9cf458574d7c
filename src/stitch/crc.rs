//! The CRC-64 of a film, from those of its segments: no payload is read.
//!
//! A CRC is linear: that of a whole segment is known, and so are the bytes before and after its payload;
//! what they contribute can be taken away.

use crc_fast::{CrcAlgorithm, checksum, checksum_combine};

use crate::model::{Crc64Nvme, Crc64Xz, Crcs};

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

impl Crcs {
    /// Those of bytes in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self { crc64nvme: of(bytes), crc64xz: of(bytes) }
    }

    /// Those of everything, if these are of its beginning and `next` is of the `length` bytes that follow.
    #[must_use]
    pub fn then(self, next: Self, length: u64) -> Self {
        Self {
            crc64nvme: then(self.crc64nvme, next.crc64nvme, length),
            crc64xz: then(self.crc64xz, next.crc64xz, length),
        }
    }

    /// Those of the `length` bytes between `before` and `after`, if these are of the whole.
    #[must_use]
    pub fn between(self, before: &[u8], length: u64, after: &[u8]) -> Self {
        Self {
            crc64nvme: between(self.crc64nvme, before, length, after),
            crc64xz: between(self.crc64xz, before, length, after),
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
    let back = |crc: u64| match crc >> 63 {
        1 => (crc ^ K::POLYNOMIAL) << 1 | 1,
        _ => crc << 1,
    };
    // The effect of taking away a bit, two, four, and so on: a linear map, given by the image of each bit.
    let mut map: [u64; 64] = std::array::from_fn(|bit| back(1 << bit));
    let (mut crc, mut bits) = (crc, bytes as u64 * 8);
    while bits > 0 {
        if bits & 1 == 1 {
            crc = image(&map, crc);
        }
        map = std::array::from_fn(|bit| map.get(bit).map_or(0, |twice| image(&map, *twice)));
        bits >>= 1;
    }
    crc
}

/// What a linear map makes of `crc`.
fn image(map: &[u64; 64], crc: u64) -> u64 {
    let bits = map.iter().enumerate().filter(|(bit, _)| crc >> bit & 1 == 1);
    bits.fold(0, |sum, (_, becomes)| sum ^ becomes)
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
}
