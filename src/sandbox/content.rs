//! The bytes of a served file: real ones, and filler generated from its offset while it is read.

use std::ops::Range;
use std::sync::OnceLock;

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};

/// The most bytes that one read returns.
pub const READ: u64 = 64 << 10;

/// The length of a transport-stream packet.
pub const PACKET: u64 = 188;

/// The content of a file; only its real bytes are in memory.
#[derive(Debug)]
pub struct Content {
    parts: Vec<Part>,
    len: u64,
    crc64: OnceLock<u64>,
}

/// A part of a file.
#[derive(Debug, Clone)]
pub enum Part {
    /// These bytes.
    Bytes(Bytes),
    /// This many bytes, in which each word encodes its offset in the file.
    Filler(u64),
    /// The same in null packets of a transport stream; begins and ends between packets.
    NullPackets(u64),
}

impl Part {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Filler(len) | Self::NullPackets(len) => *len,
        }
    }
}

impl Content {
    /// A file of these parts, in order.
    pub fn new(parts: Vec<Part>) -> Self {
        let len = parts.iter().map(Part::len).sum();
        Self { parts, len, crc64: OnceLock::new() }
    }

    /// A file of these bytes.
    pub fn of(bytes: impl Into<Bytes>) -> Self {
        Self::new(vec![Part::Bytes(bytes.into())])
    }

    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The bytes from `range.start` on: at least one and at most [`READ`], or none at the end of the
    /// range or the file.
    pub fn read(&self, range: Range<u64>) -> Bytes {
        let mut start = 0;
        for part in &self.parts {
            let end = start + part.len();
            if range.start < end {
                let stop = range.end.min(end).min(range.start.saturating_add(READ));
                return read_part(part, start, range.start..stop.max(range.start));
            }
            start = end;
        }
        Bytes::new()
    }

    /// The file cut to `len`, or extended to it with filler.
    #[must_use]
    pub fn resized(&self, len: u64) -> Self {
        let mut left = len;
        let mut parts = Vec::new();
        for part in &self.parts {
            let take = part.len().min(left);
            left -= take;
            parts.push(match part {
                Part::Bytes(bytes) => Part::Bytes(bytes.slice(..index(take).min(bytes.len()))),
                Part::Filler(_) => Part::Filler(take),
                Part::NullPackets(_) => Part::NullPackets(take),
            });
        }
        parts.push(Part::Filler(left));
        Self::new(parts)
    }

    /// The file with the first occurrence of the four bytes `from` replaced.
    #[must_use]
    pub fn replaced(&self, from: &[u8; 4], to: &[u8; 4]) -> Self {
        let mut parts = self.parts.clone();
        for part in &mut parts {
            let Part::Bytes(bytes) = part else { continue };
            let Some(at) = bytes.windows(4).position(|four| four == from) else { continue };
            let (head, tail) = (bytes.slice(..at), bytes.slice(at + 4..));
            *bytes = [&head[..], &to[..], &tail[..]].concat().into();
            break;
        }
        Self::new(parts)
    }

    /// The file's CRC-64/XZ, which COS calls `crc64ecma`. The first call computes it from every byte;
    /// call it where blocking is allowed.
    pub fn crc64(&self) -> u64 {
        *self.crc64.get_or_init(|| {
            let mut digest = Digest::new(CrcAlgorithm::Crc64Xz);
            let mut at = 0;
            while at < self.len {
                let bytes = self.read(at..self.len);
                digest.update(&bytes);
                at += bytes.len() as u64;
            }
            digest.finalize()
        })
    }
}

/// The bytes at `range` of the file, within a part that begins at `start`.
fn read_part(part: &Part, start: u64, range: Range<u64>) -> Bytes {
    match part {
        Part::Bytes(bytes) => {
            let (from, to) = (index(range.start - start), index(range.end - start));
            bytes.slice(from.min(bytes.len())..to.min(bytes.len()))
        }
        Part::Filler(_) => filler(range).into(),
        Part::NullPackets(_) => null_packets(range).into(),
    }
}

/// Bytes generated from their offsets: words of 8 bytes, all different within a file.
fn filler(range: Range<u64>) -> Vec<u8> {
    let first = range.start / 8;
    let last = range.end.div_ceil(8);
    let mut words = Vec::with_capacity(index(last - first) * 8);
    for word in first..last {
        // An odd factor permutes the words, so that filler does not compress to nothing.
        words.extend_from_slice(&word.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    }
    words.drain(..index(range.start % 8));
    words.truncate(index(range.end - range.start));
    words
}

/// Filler with the header of a null packet (PID 0x1fff, payload only) at each packet's beginning.
fn null_packets(range: Range<u64>) -> Vec<u8> {
    let mut bytes = filler(range.clone());
    for (byte, offset) in bytes.iter_mut().zip(range) {
        match offset % PACKET {
            0 => *byte = 0x47,
            1 => *byte = 0x1f,
            2 => *byte = 0xff,
            3 => *byte = 0x10,
            _ => {}
        }
    }
    bytes
}

/// An offset in memory. Only lengths that were read into memory get here.
fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(content: &Content, range: Range<u64>) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let bytes = content.read(range.start + all.len() as u64..range.end);
            if bytes.is_empty() {
                return all;
            }
            all.extend_from_slice(&bytes);
        }
    }

    fn sample() -> Content {
        Content::new(vec![
            Part::Bytes(Bytes::from_static(b"head")),
            Part::Filler(100_000),
            Part::Bytes(Bytes::from_static(b"tail")),
        ])
    }

    #[test]
    fn the_crc_is_that_of_all_bytes_as_crc64_xz() {
        // The check value of CRC-64/XZ from the catalogue of parametrised CRC algorithms.
        assert_eq!(Content::of("123456789").crc64(), 0x995d_c9bb_df19_39fa);
        let content = sample();
        let all = whole(&content, 0..content.len());
        assert_eq!(content.crc64(), crc_fast::checksum(CrcAlgorithm::Crc64Xz, &all));
    }

    #[test]
    fn null_packets_begin_with_their_header() {
        let content = Content::new(vec![Part::NullPackets(PACKET * 2)]);
        let all = whole(&content, 0..content.len());
        assert_eq!(all[..4], [0x47, 0x1f, 0xff, 0x10]);
        assert_eq!(all[188..192], [0x47, 0x1f, 0xff, 0x10]);
    }

    proptest! {
        #[test]
        fn a_range_reads_as_the_same_bytes_as_the_whole(start in 0u64..100_100, len in 0u64..80_000) {
            let content = sample();
            let all = whole(&content, 0..content.len());
            let start = start.min(content.len());
            let end = (start + len).min(content.len());
            prop_assert_eq!(whole(&content, start..end), &all[start as usize..end as usize]);
        }

        #[test]
        fn a_resized_file_has_that_length_and_the_same_beginning(len in 0u64..200_000) {
            let content = sample();
            let resized = content.resized(len);
            prop_assert_eq!(resized.len(), len);
            let common = len.min(content.len());
            prop_assert_eq!(whole(&resized, 0..common), whole(&content, 0..common));
            prop_assert_eq!(whole(&resized, 0..len).len() as u64, len);
        }
    }
}
