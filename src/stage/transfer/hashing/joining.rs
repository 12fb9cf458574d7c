//! Joins the CRC-64/NVME of a part to that of everything before it.
//!
//! For each part the library recomputes how appending that many bytes changes a CRC, which costs as
//! much as the CRC of three megabytes. The parts of a file are equally long, so this computes it once.

use crc_fast::{CrcAlgorithm, checksum_combine};

/// The polynomial of CRC-64/NVME, the coefficient of x^63 in its lowest bit.
const POLYNOMIAL: u64 = 0x9a6c_9329_ac4b_c9b5;

/// The effect on a CRC of appending a number of bytes: a linear map, given by the image of each bit.
#[derive(Debug)]
pub(super) struct Joining {
    length: u64,
    of_bit: [u64; 64],
}

impl Joining {
    /// For appending `length` bytes.
    pub(super) fn by(length: u64) -> Self {
        // The highest bit stands for the polynomial 1, each lower bit for x times the one above.
        let mut of_bit = [0; 64];
        let mut becomes = checksum_combine(CrcAlgorithm::Crc64Nvme, 1 << 63, 0, length);
        for bit in of_bit.iter_mut().rev() {
            *bit = becomes;
            becomes = becomes >> 1 ^ if becomes & 1 == 1 { POLYNOMIAL } else { 0 };
        }
        Self { length, of_bit }
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The CRC of everything, given the CRC `before` the part and the CRC of the `part`, which has
    /// [`Joining::length`] bytes.
    pub(super) fn join(&self, before: u64, part: u64) -> u64 {
        let bits = self.of_bit.iter().enumerate();
        bits.filter(|(bit, _)| before >> bit & 1 == 1).fold(part, |crc, (_, becomes)| crc ^ becomes)
    }
}

#[cfg(test)]
mod tests {
    use crc_fast::checksum;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_joined_is_the_crc_of_both(before: Vec<u8>, part: Vec<u8>) {
            let crc = |bytes: &[u8]| checksum(CrcAlgorithm::Crc64Nvme, bytes);
            let joined = Joining::by(part.len() as u64).join(crc(&before), crc(&part));
            prop_assert_eq!(joined, crc(&[before, part].concat()));
        }

        #[test]
        fn any_length_joins_as_the_library_does(before: u64, part: u64, length in 0_u64..1 << 45) {
            let joined = checksum_combine(CrcAlgorithm::Crc64Nvme, before, part, length);
            prop_assert_eq!(Joining::by(length).join(before, part), joined);
        }
    }
}
