//! Fuzz target of the merge: sample tables of two segments.
//!
//! The input describes two segments whose tables agree, and then says where they lie: so both what is joined and
//! what is refused are reached.

use std::ops::Range;

use bytes::Bytes;

use super::boxes::{boxed, copied, count, word};
use super::head::LEAST_HEAD;
use super::track::Track;
use super::{Film, Flaw, Segment, film};

/// The most samples of a track of a segment.
const SAMPLES: u32 = 48;

fn words(out: &mut Vec<u8>, words: &[u32]) {
    words.iter().for_each(|one| word(out, *one));
}

/// Takes numbers from the input; zeros after its end.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn word(&mut self) -> u32 {
        u32::from_be_bytes([0; 4].map(|_: u8| self.next()))
    }

    fn is_over(&self) -> bool {
        self.0.is_empty()
    }
}

/// Joins two segments: a film has what both have, in order and within its media data; and nothing panics where the
/// tables lie.
pub(crate) fn merge(data: &[u8]) {
    let mut numbers = Numbers(data);
    let files = [described(&mut numbers), described(&mut numbers)];
    let mut read = Vec::new();
    for (number, (mut moov, payload)) in (1..).zip(files) {
        lie(&mut moov, &mut numbers);
        let before = Bytes::from(moov);
        let begin = before.len() as u64;
        match Segment::read(number, &before, begin..begin + payload, &Bytes::new()) {
            Ok(segment) => read.push(segment),
            Err(flaw) => assert!(!flaw.to_string().is_empty()),
        }
    }
    for segments in [read.as_slice(), read.get(..1).unwrap_or_default()] {
        match film(segments) {
            Ok(film) => check(segments, &film),
            Err(refusal) => assert!(!refusal.to_string().is_empty()),
        }
    }
}

/// What must hold of a film of segments.
fn check(segments: &[Segment], film: &Film) {
    let payloads: Vec<_> = segments.iter().map(|segment| segment.payload().clone()).collect();
    assert_eq!(film.payloads, payloads);
    let placed = |payload: &Range<u64>| payload.end - payload.start;
    let media: u64 = payloads.iter().map(placed).sum();
    assert_eq!(film.bytes(), film.head.len() as u64 + media);
    assert!(film.head.len() as u64 >= LEAST_HEAD);
    assert!(film.begins_ms.is_sorted() && film.begins_ms.len() == segments.len());
    assert!(film.begins_ms.last().is_none_or(|begins| *begins <= film.duration_ms));
    let head = Bytes::copy_from_slice(&film.head);
    let begin = head.len() as u64;
    let joined = match Segment::read(1, &head, begin..film.bytes(), &Bytes::new()) {
        Ok(joined) => joined,
        // It is longer than any of its segments may be, or waits too long between them.
        Err(Flaw::Track { what, .. }) if what.contains("impossible times") => return,
        Err(flaw) => unreachable!("the film is no segment: {flaw}"),
    };
    assert_eq!(joined.tracks().len(), segments.iter().map(|s| s.tracks().len()).max().unwrap_or(0));
    for (place, merged) in joined.tracks().iter().enumerate() {
        let tracks = || segments.iter().filter_map(|segment| segment.tracks().get(place));
        let bytes = |track: &Track| {
            (0..track.samples()).filter_map(|n| track.sizes.of(n)).map(u64::from).sum::<u64>()
        };
        let of_all: u64 = tracks().map(bytes).sum();
        assert_eq!(bytes(merged), of_all, "the bytes of all samples");
        assert_eq!(merged.samples(), tracks().map(Track::samples).sum::<u32>());
        let lasts: u64 = tracks().map(|track| track.times.duration).sum();
        assert!(merged.times.duration >= lasts, "no sample is shown shorter");
        let chunks: u32 = tracks().map(|track| track.chunks.count()).sum();
        assert_eq!(merged.chunks.count(), chunks);
        // The chunks of a segment lie in its media data, which follows that of the one before.
        let (mut chunk, mut from) = (0, begin);
        for (track, payload) in tracks().zip(&payloads) {
            for own in 0..track.chunks.count() {
                let expected = track.chunks.offset(own).map(|at| at - payload.start + from);
                assert_eq!(merged.chunks.offset(chunk), expected);
                chunk += 1;
            }
            from += placed(payload);
        }
    }
}

/// Changes a few words of a `moov`.
fn lie(moov: &mut [u8], numbers: &mut Numbers<'_>) {
    for _ in 0..numbers.next() % 5 {
        let at = numbers.word() as usize % moov.len().max(1);
        let bytes = numbers.word().to_be_bytes();
        if let Some(place) = moov.get_mut(at..at + 4) {
            place.copy_from_slice(&bytes);
        }
        if numbers.is_over() {
            return;
        }
    }
}

/// The samples of a track, as its tables will say.
pub(super) struct Samples {
    pub sizes: Vec<u32>,
    /// How many samples each chunk has.
    pub chunks: Vec<u32>,
    pub deltas: Vec<(u32, u32)>,
    pub offsets: Vec<(u32, u32)>,
    pub keyframes: Vec<u32>,
}

impl Samples {
    fn read(numbers: &mut Numbers<'_>) -> Self {
        let samples = 1 + u32::from(numbers.next()) % SAMPLES;
        let is_alike = numbers.next() & 1 == 0;
        let first = u32::from(numbers.next());
        let size = |numbers: &mut Numbers<'_>| if is_alike { first } else { numbers.next().into() };
        let sizes = (0..samples).map(|_| size(numbers)).collect();
        let runs = |numbers: &mut Numbers<'_>| {
            let (mut runs, mut left) = (Vec::new(), samples);
            while left > 0 {
                let length = (1 + u32::from(numbers.next()) % 16).min(left);
                runs.push((length, u32::from(numbers.next()) * 64));
                left -= length;
            }
            runs
        };
        let (chunks, deltas, offsets) = (runs(numbers), runs(numbers), runs(numbers));
        let is_key = |number: &u32| *number == 1 || numbers.next() & 3 == 0;
        Self {
            sizes,
            chunks: chunks.into_iter().map(|(length, _)| length).collect(),
            deltas,
            offsets,
            keyframes: (1..=samples).filter(is_key).collect(),
        }
    }

    fn bytes(&self) -> u64 {
        self.sizes.iter().copied().map(u64::from).sum()
    }

    /// Writes its tables, with the first sample at `at` of the file; each has what `has` says.
    fn write(&self, out: &mut Vec<u8>, at: u64, has: u8) {
        let runs = |out: &mut Vec<u8>, kind: &[u8; 4], version: u8, runs: &[(u32, u32)]| {
            boxed(out, kind, |out| {
                out.extend([version, 0, 0, 0]);
                count(out, runs.len());
                runs.iter().for_each(|(length, value)| {
                    word(out, *length);
                    word(out, *value);
                });
            });
        };
        runs(out, b"stts", 0, &self.deltas);
        if has & 1 != 0 {
            runs(out, b"ctts", has >> 1 & 1, &self.offsets);
        }
        if has & 4 != 0 {
            boxed(out, b"stss", |out| {
                word(out, 0);
                count(out, self.keyframes.len());
                self.keyframes.iter().for_each(|number| word(out, *number));
            });
        }
        boxed(out, b"stsz", |out| {
            words(out, &[0, 0]);
            count(out, self.sizes.len());
            self.sizes.iter().for_each(|size| word(out, *size));
        });
        boxed(out, b"stsc", |out| {
            word(out, 0);
            count(out, self.chunks.len());
            (1..).zip(&self.chunks).for_each(|(chunk, samples)| {
                words(out, &[chunk, *samples, 1]);
            });
        });
        boxed(out, b"stco", |out| {
            word(out, 0);
            count(out, self.chunks.len());
            let (mut sample, mut at) = (0, at);
            for samples in &self.chunks {
                word(out, u32::try_from(at).unwrap_or(u32::MAX));
                let sizes = self.sizes.iter().skip(sample).take(*samples as usize);
                at += sizes.copied().map(u64::from).sum::<u64>();
                sample += *samples as usize;
            }
        });
        if has & 8 != 0 {
            boxed(out, b"sgpd", |out| {
                out.extend([1, 0, 0, 0]);
                out.extend(b"roll");
                words(out, &[2, 1]);
                out.extend([0, 1]);
            });
            boxed(out, b"sbgp", |out| {
                word(out, 0);
                out.extend(b"roll");
                count(out, 1);
                count(out, self.sizes.len());
                word(out, 1);
            });
        }
    }
}

/// A segment that the input describes: its `ftyp` and `moov`, and the length of its media data.
fn described(numbers: &mut Numbers<'_>) -> (Vec<u8>, u64) {
    let (has, skew) = (numbers.next(), u64::from(numbers.next()));
    let tracks: Vec<Samples> = (0..1 + has % 3).map(|_| Samples::read(numbers)).collect();
    let edit = [numbers.word() % 4096, numbers.word() % 4096];
    segment(&tracks, (has, skew), edit)
}

/// The `ftyp` and `moov` of a segment with these tracks, and the length of its media data, of which the first `skew`
/// bytes are of no sample. `has` says which boxes there are: 1 for groups, 16 for an edit list (how long nothing is
/// shown, and from when on the track is), 32 for offsets, signed with 64, and 128 for keyframes.
pub(super) fn segment(
    tracks: &[Samples],
    (has, skew): (u8, u64),
    edit: [u32; 2],
) -> (Vec<u8>, u64) {
    let mut length = 0;
    // Offsets have equal lengths, so that the second writing puts them where they belong.
    let mut out = Vec::new();
    for _ in 0..2 {
        let begin = out.len() as u64;
        out.clear();
        copied(&mut out, b"ftyp", b"isom\0\0\x02\0");
        let mut at = begin + skew;
        boxed(&mut out, b"moov", |out| {
            boxed(out, b"mvhd", |out| {
                out.extend([0; 12]);
                words(out, &[600, 0]);
                out.extend([0; 80]);
            });
            for (place, samples) in tracks.iter().enumerate() {
                track(out, (place, samples), (at, has), edit);
                at += samples.bytes();
            }
        });
        length = at - begin;
    }
    (out, length.max(1))
}

fn track(
    out: &mut Vec<u8>,
    (place, samples): (usize, &Samples),
    (at, has): (u64, u8),
    edit: [u32; 2],
) {
    let (handler, timescale, entry, fields) = match place {
        0 => (b"vide", 90_000, b"avc1", 78),
        1 => (b"soun", 48_000, b"mp4a", 28),
        _ => (b"text", 1_000, b"text", 8),
    };
    boxed(out, b"trak", |out| {
        copied(out, b"tkhd", &[0; 84]);
        if has & 16 != 0 {
            boxed(out, b"edts", |out| {
                boxed(out, b"elst", |out| {
                    word(out, 0);
                    count(out, 2);
                    words(out, &[edit[0], u32::MAX, 1 << 16, 0, edit[1], 1 << 16]);
                });
            });
        }
        boxed(out, b"mdia", |out| {
            boxed(out, b"mdhd", |out| {
                words(out, &[0, 0, 0, timescale, 0, 0]);
            });
            boxed(out, b"hdlr", |out| {
                out.extend([0; 8]);
                out.extend(handler);
                out.extend([0; 13]);
            });
            boxed(out, b"minf", |out| {
                boxed(out, b"dinf", |out| {
                    boxed(out, b"dref", |out| {
                        words(out, &[0, 1]);
                        boxed(out, b"url ", |out| word(out, 1));
                    });
                });
                boxed(out, b"stbl", |out| {
                    boxed(out, b"stsd", |out| {
                        words(out, &[0, 1]);
                        copied(out, entry, &vec![0; fields]);
                    });
                    samples.write(out, at, has >> 5 | has << 3 & 8);
                });
            });
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_descriptions_are_of_segments_that_can_be_joined() {
        let mut joined = 0;
        for seed in 0..60_u32 {
            let mix = |at: u32| (at + 7).wrapping_mul(seed + 3).wrapping_mul(2_654_435_761) >> 11;
            let data: Vec<u8> = (0..400).map(|at| mix(at) as u8).collect();
            merge(&data);
            let mut numbers = Numbers(&data);
            let [one, two] =
                [described(&mut numbers), described(&mut numbers)].map(|(moov, payload)| {
                    let (before, begin) = (Bytes::from(moov.clone()), moov.len() as u64);
                    Segment::read(1, &before, begin..begin + payload, &Bytes::new())
                });
            joined +=
                u32::from(one.is_ok() && two.is_ok_and(|two| film(&[one.unwrap(), two]).is_ok()));
        }
        assert!(joined > 6, "{joined} of 60");
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

        #[test]
        fn what_must_hold_of_a_film_holds(data in proptest::collection::vec(0_u8.., 0..700)) {
            merge(&data);
        }
    }
}
