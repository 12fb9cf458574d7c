//! The NAL units of one sample, as they stream by (ISO/IEC 14496-15 section 4.3, ISO/IEC 14496-10
//! section 7.3.1 and 7.4.1).

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::{Deserialize, Serialize};

/// What is wrong with a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wrong {
    /// The length of a NAL unit exceeds the rest of its sample.
    Length,
    /// The same, but the sample begins with a start code: some players accept that in place of a
    /// length.
    StartCode,
    /// A NAL unit has an invalid header.
    Header,
    /// Zeros, within a NAL unit.
    Zeros,
    /// Bytes that are forbidden within a NAL unit.
    Sequence,
    /// Text, within a picture.
    Text,
    /// Zeros at the end of a picture: some muxers pad there.
    Padding,
    /// Zeros within a unit that is not a picture: data for other programs may contain some.
    ZerosBeside,
    /// An audio frame that exceeds the maximum length.
    TooLong,
    /// An audio frame with an invalid beginning.
    Element,
    /// An audio frame with an invalid end.
    Unended,
    /// The sample overlaps another one.
    Overlap,
    /// The sample is outside the file, or outside its media data.
    Outside,
    /// An audio frame is followed by bytes that belong to no sample.
    Gap,
    /// Two pictures are shown at the same time, or far from their place in the stream.
    Times,
    /// The tables disagree on the number of samples.
    Count,
    /// The tables of a track are unreadable.
    Tables,
    /// The tables came twice and differ.
    OtherTables,
    /// No box begins where one must, and fragments follow.
    Boxes,
    /// A fragment cannot be read.
    Fragment,
}

/// No coding produces this many zeros in a row.
const RUN: u32 = 16;

/// The same, where zeros may be intended.
const LONG_RUN: u32 = 64;

/// Made once: most units are short.
static TWO_ZEROS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(&[0, 0]));

/// The position within a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum At {
    /// Within the length of the next unit.
    Length { got: u8, value: u32 },
    /// Within a unit.
    Unit(Unit),
    /// Something was wrong: the rest of the sample says nothing.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Unit {
    left: u32,
    /// Its first bytes, as they come.
    seen: u8,
    kind: Kind,
    /// Zeros right before the next byte.
    zeros: u32,
}

/// What a unit is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    Picture,
    /// Data that describes pictures, or is for other programs.
    Other,
    /// Data that nobody reads.
    Filler,
}

/// A sample of NAL units while it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NalWalk {
    length_size: u8,
    is_hevc: bool,
    left: u32,
    at: At,
    /// Whether nothing was read yet.
    is_new: bool,
    /// Whether it begins like a start code.
    begins_as_code: bool,
}

impl NalWalk {
    pub(super) fn new(length_size: u8, is_hevc: bool, size: u32) -> Self {
        let at = At::Length { got: 0, value: 0 };
        Self { length_size, is_hevc, left: size, at, is_new: true, begins_as_code: false }
    }

    /// Takes the next bytes of the sample, no more than its rest. Reports what is wrong to `wrong`,
    /// with its offset in `bytes`.
    pub(super) fn take(&mut self, bytes: &[u8], mut wrong: impl FnMut(usize, Wrong)) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let at = bytes.len() - rest.len();
            let taken = match self.at {
                At::Lost => rest.len(),
                At::Length { got, value } => {
                    self.length(rest, (got, value), |what| wrong(at, what))
                }
                At::Unit(unit) => {
                    let length = rest.len().min(unit.left as usize);
                    let (now, _) = rest.split_at_checked(length).unwrap_or((rest, &[]));
                    self.unit(now, unit, |from, what| wrong(at + from, what));
                    length
                }
            };
            self.left = self.left.saturating_sub(taken as u32);
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    fn length(
        &mut self,
        bytes: &[u8],
        (mut got, mut value): (u8, u32),
        mut wrong: impl FnMut(Wrong),
    ) -> usize {
        // A rest after the last unit that is too short for a length and one byte is padding. A whole
        // sample that short has no unit.
        if got == 0 && self.left <= u32::from(self.length_size) {
            if self.is_new {
                wrong(Wrong::Length);
            }
            self.at = At::Lost;
            return bytes.len();
        }
        let mut taken = 0;
        for byte in bytes.iter().take(usize::from(self.length_size.saturating_sub(got))) {
            value = value << 8 | u32::from(*byte);
            got += 1;
            taken += 1;
        }
        self.at = At::Length { got, value };
        if got == self.length_size {
            let left = self.left.saturating_sub(taken);
            self.begins_as_code |= self.is_new && self.length_size == 4 && value == 1;
            self.is_new = false;
            self.at = if value == 0 || value > left {
                wrong(self.lost(Wrong::Length));
                At::Lost
            } else {
                At::Unit(Unit { left: value, seen: 0, kind: Kind::Other, zeros: 0 })
            };
        }
        taken as usize
    }

    fn unit(&mut self, bytes: &[u8], mut unit: Unit, mut wrong: impl FnMut(usize, Wrong)) {
        let Some(&first) = bytes.first() else { return };
        let mut is_plausible = true;
        if unit.seen == 0 {
            (is_plausible, unit.kind) = self.header(first, unit.left);
            unit.seen = 1;
            if self.is_hevc
                && let Some(&second) = bytes.get(1)
            {
                unit.seen = 2;
                is_plausible &= second & 7 != 0;
            }
        } else if unit.seen == 1 && self.is_hevc {
            unit.seen = 2;
            is_plausible = first & 7 != 0;
        }
        if !is_plausible {
            wrong(0, self.lost(Wrong::Header));
            self.at = At::Lost;
            return;
        }
        let kind = unit.kind;
        if kind != Kind::Filler {
            scan(bytes, &mut unit.zeros, |at, run| match (kind, run) {
                (Kind::Picture, RUN..) => wrong(at, Wrong::Zeros),
                (Kind::Picture, _) => wrong(at, Wrong::Sequence),
                (_, LONG_RUN..) => wrong(at, Wrong::ZerosBeside),
                _ => {}
            });
        }
        if kind == Kind::Picture
            && let Some(at) = text(bytes)
        {
            wrong(at, Wrong::Text);
        }
        unit.left = unit.left.saturating_sub(bytes.len() as u32);
        self.at = if unit.left > 0 {
            At::Unit(unit)
        } else {
            let zeros = unit.zeros;
            let from = bytes.len().saturating_sub(zeros as usize);
            match (kind, zeros) {
                (Kind::Picture, RUN..) => wrong(from, Wrong::Padding),
                (Kind::Other, LONG_RUN..) => wrong(from, Wrong::ZerosBeside),
                _ => {}
            }
            At::Length { got: 0, value: 0 }
        };
    }

    fn lost(&self, what: Wrong) -> Wrong {
        if self.begins_as_code { Wrong::StartCode } else { what }
    }

    /// Whether a unit of `length` bytes may begin with this byte, and what it is part of.
    fn header(&self, byte: u8, length: u32) -> (bool, Kind) {
        let is_clear = byte & 0x80 == 0;
        if self.is_hevc {
            let kind = byte >> 1 & 0x3f;
            let kind = match kind {
                ..32 => Kind::Picture,
                38 => Kind::Filler,
                _ => Kind::Other,
            };
            return (is_clear && length >= 2, kind);
        }
        let kind = byte & 0x1f;
        let of = match kind {
            1..=5 => Kind::Picture,
            12 => Kind::Filler,
            _ => Kind::Other,
        };
        (is_clear && kind != 0, of)
    }
}

/// Finds what is forbidden in a NAL unit: two zeros and 0, 1 or 2. `zeros` is the number of zeros
/// right before `bytes`, and afterwards the number at their end: what follows decides. `found`
/// receives where the zeros begin, as far as they are in `bytes`, and their number.
fn scan(bytes: &[u8], zeros: &mut u32, mut found: impl FnMut(usize, u32)) {
    let mut at = 0;
    let mut before = *zeros;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let run = rest.iter().take_while(|byte| **byte == 0).count();
        let all = before.saturating_add(run as u32);
        let Some(next) = rest.get(run) else {
            *zeros = all;
            return;
        };
        if all >= 3 || (all == 2 && *next <= 2) {
            found(at, all);
        }
        at += run;
        before = 0;
        let rest = rest.get(run..).unwrap_or_default();
        match TWO_ZEROS.find(rest) {
            Some(pair) => at += pair,
            None => {
                *zeros = u32::from(rest.last() == Some(&0));
                return;
            }
        }
    }
}

/// Where text begins that is longer than any in a picture: a web page in place of media.
fn text(bytes: &[u8]) -> Option<usize> {
    const STEP: usize = 256;
    const LEAST: usize = 160;
    let is_text = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~');
    for (block, start) in bytes.chunks_exact(STEP).zip((0..).step_by(STEP)) {
        let probe = block.first_chunk().map(|probe| u128::from_ne_bytes(*probe));
        if probe.is_none_or(|probe| probe & (u128::MAX / 255 * 128) != 0) {
            continue;
        }
        let from = bytes.get(start..).unwrap_or_default();
        let run = from.iter().take_while(|byte| is_text(byte)).count();
        let text = from.get(..run).unwrap_or_default();
        let is_marked = text.contains(&b'<') || text.contains(&b'{');
        let mut kinds = [false; 128];
        for byte in text {
            if let Some(seen) = kinds.get_mut(usize::from(*byte)) {
                *seen = true;
            }
        }
        let kinds = kinds.iter().filter(|seen| **seen).count();
        if run >= LEAST && is_marked && kinds >= 20 {
            return Some(start);
        }
    }
    None
}
