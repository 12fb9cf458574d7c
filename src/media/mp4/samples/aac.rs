//! An AAC frame as its bytes stream by (ISO/IEC 14496-3 section 4.4.2): whether it begins and ends
//! as frames do.

use serde::{Deserialize, Serialize};

use super::nal::Wrong;

/// The most bytes of a frame for each of its channels (ISO/IEC 14496-3 section 4.5.1.1).
const BYTES_A_CHANNEL: u32 = 768;

/// The fewest bytes of a frame with the sound of a channel.
const LEAST: u32 = 3;

/// The bytes of a frame that show how it begins.
const HEAD: u32 = 8;

/// The most scale factor bands of a long window at any sample rate.
const MOST_BANDS: u64 = 51;

/// The received bytes of a frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Frame {
    taken: u32,
    /// Its first bytes.
    head: u64,
    /// Its last two bytes.
    tail: u16,
}

impl Frame {
    /// Takes the next bytes of a frame of `size` bytes, and returns what is wrong with it.
    pub(super) fn take(&mut self, bytes: &[u8], channels: u8, size: u32) -> Option<Wrong> {
        let whole = HEAD.min(size);
        let missing = whole.saturating_sub(self.taken);
        for byte in bytes.iter().take(missing as usize) {
            self.head = self.head << 8 | u64::from(*byte);
        }
        self.tail = match bytes {
            [.., first, last] => u16::from_be_bytes([*first, *last]),
            [last] => self.tail << 8 | u16::from(*last),
            [] => return None,
        };
        self.taken = self.taken.saturating_add(bytes.len() as u32);
        let is_begun = missing > 0 && missing as usize <= bytes.len();
        let begins = is_begun.then(|| begins(self.head << (8 * (HEAD - whole)), channels, size));
        let wrong = begins.flatten();
        wrong.or_else(|| (self.taken >= size && !is_end(self.tail)).then_some(Wrong::Unended))
    }
}

/// What is wrong with a frame of `size` bytes that begins with these bits.
fn begins(head: u64, channels: u8, size: u32) -> Option<Wrong> {
    let most = match channels {
        0 => 16,
        7 => 8,
        8.. => 24,
        few => u32::from(few),
    };
    // Encoders that run out of bits exceed the limit a little.
    if size > most * (BYTES_A_CHANNEL + BYTES_A_CHANNEL / 8) {
        return Some(Wrong::TooLong);
    }
    let is_of_channels = head >> 61 <= 1;
    // Such a frame would have the same element twice and no end, or no place for what a channel needs.
    if (head == 0 && size >= HEAD) || (is_of_channels && size < LEAST) {
        return Some(Wrong::Element);
    }
    (!is_plausible(head, channels, u64::from(HEAD.min(size)) * 8)).then_some(Wrong::Element)
}

/// Whether the first audio element fits the channels and is readable, as far as `length` bits show.
fn is_plausible(head: u64, channels: u8, length: u64) -> bool {
    let bits = |at: u64, count: u64| head << at >> (64 - count);
    let mut at = 0;
    while at + 24 <= length {
        match bits(at, 3) {
            // Filling: that many bytes.
            6 => {
                let count = bits(at + 3, 4);
                let (more, beside) = if count == 15 { (bits(at + 7, 8), 15) } else { (0, 7) };
                at += beside + 8 * (count + more).saturating_sub(u64::from(count == 15));
            }
            // Data: that many bytes, possibly byte-aligned.
            4 => {
                let (is_aligned, count) = (bits(at + 7, 1) == 1, bits(at + 8, 8));
                at += 16;
                if is_aligned {
                    at = at.next_multiple_of(8);
                }
                at += 8 * count;
            }
            // A configuration.
            5 => return true,
            // The end: a frame may consist of filling only.
            7 => return at > 0,
            // One channel, or a channel pair.
            element @ 0..=1 => {
                let fits = match channels {
                    0 | 8.. => true,
                    2 => element == 1,
                    _ => element == 0,
                };
                let window = match bits(at + 7, 1) {
                    1 if element == 1 => at + 8,
                    _ if element == 1 => at + 16,
                    _ => at + 15,
                };
                return fits && (window + 10 > length || is_window(bits(window, 10)));
            }
            _ => return matches!(channels, 0 | 8..),
        }
    }
    true
}

/// Whether the ten bits can describe the window of a channel: one bit is reserved, and the number
/// of bands has a maximum.
fn is_window(bits: u64) -> bool {
    let (is_reserved, is_short, bands) = (bits >> 9 == 1, bits >> 7 & 3 == 2, bits & 63);
    !is_reserved && (is_short || bands <= MOST_BANDS)
}

/// Whether a frame may end with these bits: three ones, and zeros up to the next whole byte.
fn is_end(tail: u16) -> bool {
    tail == 0 || tail >> tail.trailing_zeros() & 7 == 7
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with a frame that comes in pieces of so many bytes.
    fn of(frame: &[u8], channels: u8, step: usize) -> Option<Wrong> {
        let mut taken = Frame::default();
        let size = u32::try_from(frame.len()).unwrap();
        frame.chunks(step).find_map(|bytes| taken.take(bytes, channels, size))
    }

    /// Silence, as encoders write it, and the same after filling and data.
    const STEREO: &[u8] = &[0x21, 0x00, 0x49, 0x90, 0x02, 0x19, 0x00, 0x23, 0x80];
    const MONO: &[u8] = &[0x01, 0x18, 0x20, 0x07];

    #[test]
    fn a_frame_begins_with_what_fits_its_channels_and_ends_with_an_end() {
        for step in 1..10 {
            assert_eq!(of(STEREO, 2, step), None);
            assert_eq!(of(STEREO, 0, step), None);
            assert_eq!(of(STEREO, 1, step), Some(Wrong::Element));
            assert_eq!(of(MONO, 1, step), None);
            assert_eq!(of(MONO, 2, step), Some(Wrong::Element));
            assert_eq!(of(&STEREO[..7], 2, step), Some(Wrong::Unended));
            for channels in 0..9 {
                assert_eq!(of(&[0; 40], channels, step), Some(Wrong::Element));
            }
        }
        assert_eq!(of(&[0x21; 1729], 2, 100), Some(Wrong::TooLong));
        assert_eq!(of(&[0x21], 2, 1), Some(Wrong::Element), "too short for a channel");
    }

    #[test]
    fn what_stands_before_the_sound_is_passed_over() {
        let bits = |text: &str| -> Vec<u8> {
            let text: String = text.split_whitespace().collect();
            let text = format!("{text:0<96}");
            (0..96).step_by(8).map(|at| u8::from_str_radix(&text[at..at + 8], 2).unwrap()).collect()
        };
        let pair = "001 0000 1 0 00 0 110001 0";
        let filled = "110 0010 10101010 10101010";
        let data = "100 0000 0 00000001 11111111";
        for (text, is_sound) in [
            (format!("{filled} {pair}"), true),
            (format!("{data} {pair}"), true),
            (format!("{filled} {data}"), true),
            (format!("{filled} 111"), true),
            (format!("{filled} 010"), false),
            (format!("{filled} 001 0000 1 1 00 0 110001 0"), false),
            (format!("{filled} 001 0000 1 0 00 0 111001 0"), false),
            (format!("{filled} 001 0000 1 0 10 0 111001 0"), true),
            ("111".to_owned(), false),
        ] {
            let found = begins(u64::from_be_bytes(*bits(&text).first_chunk().unwrap()), 2, 100);
            assert_eq!(found.is_none(), is_sound, "{text}");
        }
    }
}
