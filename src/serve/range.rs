//! Which bytes of an object a request asks for (RFC 9110, section 14). Pure.

use std::ops::Range;

/// What to answer with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it, with 200: no range was asked for, or none that has to be answered.
    Whole,
    /// These bytes, with 206.
    Part(Range<u64>),
    /// Nothing, with 416: the range begins behind the end.
    Unsatisfiable,
}

/// What a `Range` header asks for of an object of `bytes` bytes. Several ranges are answered with the whole,
/// as is what cannot be read: the standard allows the one and demands the other.
pub(super) fn wanted(header: Option<&str>, bytes: u64) -> Wanted {
    let Some((unit, set)) = header.and_then(|header| header.split_once('=')) else {
        return Wanted::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    // A list of ranges has commas, which make a number unreadable.
    match set.trim().split_once('-') {
        Some(("", suffix)) => suffix_of(number(suffix), bytes),
        Some((first, "")) => from_to(number(first), Some(u64::MAX), bytes),
        Some((first, last)) => from_to(number(first), number(last), bytes),
        None => Wanted::Whole,
    }
}

/// The last bytes.
fn suffix_of(length: Option<u64>, bytes: u64) -> Wanted {
    match length {
        None => Wanted::Whole,
        Some(0) => Wanted::Unsatisfiable,
        Some(_) if bytes == 0 => Wanted::Unsatisfiable,
        Some(length) => Wanted::Part(bytes.saturating_sub(length)..bytes),
    }
}

fn from_to(first: Option<u64>, last: Option<u64>, bytes: u64) -> Wanted {
    match (first, last) {
        (Some(first), Some(last)) if first > last => Wanted::Whole,
        (Some(first), Some(_)) if first >= bytes => Wanted::Unsatisfiable,
        (Some(first), Some(last)) => Wanted::Part(first..last.saturating_add(1).min(bytes)),
        _ => Wanted::Whole,
    }
}

/// A number of any length; what does not fit is as good as the largest.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_range_is_cut_to_the_object() {
        for (header, expected) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-99", 0..100),
            ("bytes=0-", 0..100),
            ("bytes=99-", 99..100),
            ("bytes=10-19", 10..20),
            ("bytes=50-5000", 50..100),
            ("bytes=0-99999999999999999999999", 0..100),
            ("bytes=-1", 99..100),
            ("bytes=-100", 0..100),
            ("bytes=-5000", 0..100),
            ("BYTES=0-1", 0..2),
            ("bytes= 0-1 ", 0..2),
        ] {
            assert_eq!(wanted(Some(header), 100), Wanted::Part(expected), "{header}");
        }
    }

    #[test]
    fn what_is_no_single_range_is_answered_with_the_whole() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5",
            "bytes=a-b",
            "bytes=5-2",
            "bytes=0-1,2-3",
            "bytes=0-1,",
            "bytes=,0-1",
            "bytes=0-1,0-1,0-1",
            "bytes=--1",
            "bytes=1--2",
            "bytes=+1-2",
            "bytes=1-2-3",
            "bytes=0x1-2",
            "lines=0-1",
            "bytes=\u{661}-2",
            "bytes=1 -2",
        ] {
            assert_eq!(wanted(Some(header), 100), Wanted::Whole, "{header}");
        }
        assert_eq!(wanted(None, 100), Wanted::Whole);
    }

    #[test]
    fn what_begins_behind_the_end_cannot_be_answered() {
        for (header, bytes) in [
            ("bytes=100-", 100),
            ("bytes=100-200", 100),
            ("bytes=99999999999999999999-", 100),
            ("bytes=-0", 100),
            ("bytes=0-", 0),
            ("bytes=0-0", 0),
            ("bytes=-1", 0),
        ] {
            assert_eq!(wanted(Some(header), bytes), Wanted::Unsatisfiable, "{header} of {bytes}");
        }
    }

    proptest! {
        #[test]
        fn a_part_is_never_empty_and_never_beyond_the_object(header in ".{0,40}", bytes: u64) {
            for header in [header.clone(), format!("bytes={header}")] {
                if let Wanted::Part(range) = wanted(Some(&header), bytes) {
                    prop_assert!(range.start < range.end && range.end <= bytes);
                }
            }
        }

        #[test]
        fn numbers_are_read_as_they_are(first in 0..200_u64, last in 0..200_u64, bytes in 1..200_u64) {
            let expected = match () {
                () if first > last => Wanted::Whole,
                () if first >= bytes => Wanted::Unsatisfiable,
                () => Wanted::Part(first..bytes.min(last + 1)),
            };
            prop_assert_eq!(wanted(Some(&format!("bytes={first}-{last}")), bytes), expected);
        }
    }
}
