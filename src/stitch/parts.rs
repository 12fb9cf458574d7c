//! How a film is uploaded: what the store copies from segments, and what is sent.

use std::ops::Range;

use super::Film;

/// The smallest part, except for the last of an upload.
const SMALLEST: u64 = 5 << 20;

/// The largest part that is copied at once where an upload has parts enough: several are copied at the same
/// time. Stores allow 5 GiB.
const USUAL_COPY: u64 = 512 << 20;

/// The largest part that a store copies.
const LARGEST: u64 = 5 << 30;

/// A part of a film's upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilmPart {
    /// The store copies this range of a segment, given by its place in the film.
    Copied {
        /// The segment, counted from 0.
        segment: usize,
        /// The range of its file.
        range: Range<u64>,
    },
    /// These bytes are sent, one after the other.
    Sent(Vec<Span>),
}

/// Bytes of a part that is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Span {
    /// The head of the film.
    Head,
    /// A range of a segment, which has to be read.
    Read {
        /// The segment, counted from 0.
        segment: usize,
        /// The range of its file.
        range: Range<u64>,
    },
}

impl Film {
    /// The parts of its upload: each at least 5 MiB but the last, none over 5 GiB. Segments too small for a
    /// part of their own are read and sent together with their neighbours.
    ///
    /// `None` if there would be more than `most` parts: the film is too large for the store.
    pub fn parts(&self, most: u32) -> Option<Vec<FilmPart>> {
        let parts = |copy| Parts::of(self.head.len() as u64, &self.payloads, copy);
        let fits =
            |parts: &Vec<FilmPart>| u64::try_from(parts.len()).is_ok_and(|n| n <= most.into());
        Some(parts(USUAL_COPY)).filter(fits).or_else(|| Some(parts(LARGEST)).filter(fits))
    }
}

/// The parts so far, and the spans of the next one that is sent.
struct Parts {
    done: Vec<FilmPart>,
    spans: Vec<Span>,
    bytes: u64,
}

impl Parts {
    fn of(head: u64, payloads: &[Range<u64>], copy: u64) -> Vec<FilmPart> {
        let mut parts = Self { done: Vec::new(), spans: vec![Span::Head], bytes: head };
        for (segment, payload) in payloads.iter().enumerate() {
            parts.add(segment, payload.clone(), copy);
        }
        parts.send();
        parts.done
    }

    fn add(&mut self, segment: usize, mut payload: Range<u64>, copy: u64) {
        if self.bytes >= SMALLEST {
            self.send();
        }
        // What is sent before needs this much of the payload to be a part.
        let missing = if self.bytes > 0 { SMALLEST - self.bytes } else { 0 };
        let length = payload.end.saturating_sub(payload.start);
        if length < SMALLEST.saturating_add(missing) {
            return self.read(segment, payload);
        }
        if missing > 0 {
            let border = payload.start + missing;
            self.read(segment, payload.start..border);
            self.send();
            payload.start = border;
        }
        let length = payload.end - payload.start;
        let (count, mut begin) = (length.div_ceil(copy), payload.start);
        for left in (1..=count).rev() {
            // Equal parts: none is too small.
            let end = begin + (payload.end - begin).div_ceil(left);
            self.done.push(FilmPart::Copied { segment, range: begin..end });
            begin = end;
        }
    }

    fn read(&mut self, segment: usize, range: Range<u64>) {
        self.bytes += range.end.saturating_sub(range.start);
        if !range.is_empty() {
            self.spans.push(Span::Read { segment, range });
        }
    }

    fn send(&mut self) {
        if self.bytes > 0 {
            self.done.push(FilmPart::Sent(std::mem::take(&mut self.spans)));
            self.bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn film(lengths: &[u64]) -> Film {
        let payloads = lengths.iter().map(|length| 40..40 + length).collect();
        let head = vec![0; SMALLEST as usize];
        Film { head, payloads, begins_ms: Vec::new(), duration_ms: 0 }
    }

    /// Each part of a film with payloads of these lengths: whether it is copied, and its length.
    fn parts(lengths: &[u64]) -> Vec<(bool, u64)> {
        let length = |range: &Range<u64>| range.end - range.start;
        let parts = film(lengths).parts(10_000).unwrap();
        let described = parts.iter().map(|part| match part {
            FilmPart::Copied { range, .. } => (true, length(range)),
            FilmPart::Sent(spans) => {
                let spans = spans.iter().map(|span| match span {
                    Span::Head => SMALLEST,
                    Span::Read { range, .. } => length(range),
                });
                (false, spans.sum())
            }
        });
        described.collect()
    }

    #[test]
    fn large_payloads_are_copied_in_equal_parts() {
        let head = (false, SMALLEST);
        assert_eq!(parts(&[SMALLEST]), [head, (true, SMALLEST)]);
        assert_eq!(parts(&[USUAL_COPY]), [head, (true, USUAL_COPY)]);
        let split = [head, (true, 256 * MIB + 1), (true, 256 * MIB)];
        assert_eq!(parts(&[USUAL_COPY + 1]), split);
    }

    #[test]
    fn payloads_too_small_for_a_part_are_sent_with_their_neighbours() {
        let (head, large) = ((false, SMALLEST), (true, 7 * MIB));
        let last = SMALLEST - 1;
        assert_eq!(parts(&[last]), [head, (false, last)], "the last part may be small");
        assert_eq!(parts(&[7 * MIB, last]), [head, large, (false, last)]);
        assert_eq!(parts(&[MIB, 20 * MIB]), [head, (false, SMALLEST), (true, 16 * MIB)]);
        assert_eq!(parts(&[MIB, 9 * MIB]), [head, (false, SMALLEST), (true, SMALLEST)]);
        assert_eq!(
            parts(&[MIB, 9 * MIB - 1]),
            [head, (false, 10 * MIB - 1)],
            "no rest is too small"
        );
        assert_eq!(parts(&[4 * MIB; 3]), [head, (false, 8 * MIB), (false, 4 * MIB)]);
        assert_eq!(parts(&[0, 7 * MIB]), [head, large], "nothing of nothing");
    }

    #[test]
    fn a_film_of_very_many_bytes_has_larger_parts_or_none() {
        let (payload, most) = (40 << 30, 20);
        let parts = film(&[payload]).parts(most).unwrap();
        assert_eq!(parts.len(), 9);
        assert_eq!(film(&[payload]).parts(8), None);
    }

    proptest! {
        #[test]
        fn parts_are_legal_and_hold_every_byte_in_order(
            lengths in proptest::collection::vec(
                prop_oneof![0..SMALLEST + 2, SMALLEST - 2..3 * SMALLEST, 0..6_u64 << 30], 1..9
            ),
        ) {
            let parts = film(&lengths).parts(10_000).unwrap();
            let mut spans = Vec::new();
            for (place, part) in parts.iter().enumerate() {
                let of_part: Vec<(usize, Range<u64>)> = match part {
                    FilmPart::Copied { segment, range } => vec![(*segment, range.clone())],
                    FilmPart::Sent(sent) => sent.iter().filter_map(|span| match span {
                        Span::Head => None,
                        Span::Read { segment, range } => Some((*segment, range.clone())),
                    }).collect(),
                };
                let head = if place == 0 { SMALLEST } else { 0 };
                let bytes = head + of_part.iter().map(|(_, range)| range.end - range.start).sum::<u64>();
                prop_assert!(bytes >= SMALLEST || place + 1 == parts.len(), "part {}", place);
                let most = match part { FilmPart::Copied { .. } => USUAL_COPY, _ => 3 * SMALLEST };
                prop_assert!(bytes <= most, "part {} has {} bytes", place, bytes);
                spans.extend(of_part);
            }
            let mut at = vec![40; lengths.len()];
            prop_assert!(spans.is_sorted_by_key(|(segment, range)| (*segment, range.start)));
            for (segment, range) in spans {
                prop_assert_eq!(range.start, at[segment]);
                at[segment] = range.end;
            }
            let ends = lengths.iter().map(|length| 40 + length);
            prop_assert_eq!(at, ends.collect::<Vec<_>>());
        }
    }
}
