//! Finds where the samples of a movie end, in one pass over its tables.

use super::boxes::{child, children};
use super::samples::{Coding, codings};

/// What the tables of a `moov` describe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// The end of the last sample, as an offset in the file.
    pub end: u64,
    /// The number of samples.
    pub samples: u64,
    pub bytes: u64,
    /// The bytes in chunks that reach beyond the end of the file.
    pub beyond: u64,
}

/// The extent of the samples of every track; `None` if a track's tables cannot be read.
///
/// What lies beyond `total`, the length of the file, is counted separately.
///
/// The cost is one look at each entry that exists, whatever the counts say.
pub(super) fn extent(moov: &[u8], total: u64) -> Option<Extent> {
    let tracks = children(moov).filter(|(kind, _)| kind.0 == *b"trak");
    tracks.map(|(_, trak)| track(trak, total)).try_fold(Extent::default(), |all, track| {
        let track = track?;
        Some(Extent {
            end: all.end.max(track.end),
            samples: all.samples.saturating_add(track.samples),
            bytes: all.bytes.saturating_add(track.bytes),
            beyond: all.beyond.saturating_add(track.beyond),
        })
    })
}

fn track(trak: &[u8], total: u64) -> Option<Extent> {
    let mdia = child(trak, b"mdia")?;
    let stbl = child(child(mdia, b"minf")?, b"stbl")?;
    let sizes = Sizes::read(stbl)?;
    let handler = child(mdia, b"hdlr").and_then(|hdlr| hdlr.get(8..12));
    if handler.is_some_and(|handler| is_unread(handler, stbl, &sizes)) {
        return Some(Extent { samples: sizes.count(), ..Extent::default() });
    }
    let mut runs = table::<12>(child(stbl, b"stsc")?)?.iter().peekable();
    let (mut placed, mut extent, mut in_chunk) = (0_u64, Extent::default(), 0);
    let mut is_placed = false;
    for (number, offset) in (1_u32..).zip(offsets(stbl)?) {
        while let Some(run) = runs.next_if(|run| word(*run, 0) <= Some(number)) {
            in_chunk = u64::from(word(run, 4)?);
        }
        is_placed = true;
        let count = in_chunk.min(sizes.count().saturating_sub(placed));
        if count == 0 {
            continue;
        }
        let bytes = sizes.sum(placed, count);
        let end = offset.saturating_add(bytes);
        placed += count;
        extent = Extent {
            end: extent.end.max(end),
            samples: placed,
            bytes: extent.bytes.saturating_add(bytes),
            beyond: extent.beyond.saturating_add(if end > total { bytes } else { 0 }),
        };
    }
    // Players mend a table that leaves every chunk empty.
    if is_placed && placed == 0 {
        extent.samples = sizes.count();
    }
    Some(extent)
}

/// Whether players go without the sizes of a track: it is neither video nor sound, or it is sound of one
/// size, which its codec states.
fn is_unread(handler: &[u8], stbl: &[u8], sizes: &Sizes<'_>) -> bool {
    let is_known = || {
        let codings = child(stbl, b"stsd").map(codings).unwrap_or_default();
        codings.iter().all(|coding| !matches!(coding, Coding::Other(_)))
    };
    match handler {
        b"vide" => false,
        b"soun" => matches!(sizes, Sizes::Same { .. }) && !is_known(),
        _ => true,
    }
}

/// The sizes of a track's samples.
enum Sizes<'a> {
    /// All samples have the same size.
    Same { bytes: u64, count: u64 },
    /// Four bytes for each sample.
    Each(&'a [[u8; 4]]),
    /// This many bits for each sample.
    Compact { bits: usize, count: u64, entries: &'a [u8] },
}

impl<'a> Sizes<'a> {
    fn read(stbl: &'a [u8]) -> Option<Self> {
        let Some(stsz) = child(stbl, b"stsz") else {
            let stz2 = child(stbl, b"stz2")?;
            let bits = usize::from(*stz2.get(7)?);
            let entries = stz2.get(12..)?;
            let there = (entries.len() as u64).saturating_mul(8).checked_div(bits as u64)?;
            let count = u64::from(word(stz2, 8)?).min(there);
            return [4, 8, 16].contains(&bits).then_some(Self::Compact { bits, count, entries });
        };
        let (bytes, count) = (u64::from(word(stsz, 4)?), u64::from(word(stsz, 8)?));
        if bytes > 0 {
            return Some(Self::Same { bytes, count });
        }
        let (entries, _) = stsz.get(12..)?.as_chunks::<4>();
        let count = usize::try_from(count).ok()?.min(entries.len());
        entries.get(..count).map(Self::Each)
    }

    fn count(&self) -> u64 {
        match self {
            Self::Same { count, .. } | Self::Compact { count, .. } => *count,
            Self::Each(entries) => entries.len() as u64,
        }
    }

    /// The total size of `count` samples from number `first` on, counted from 0.
    fn sum(&self, first: u64, count: u64) -> u64 {
        let range = || Some(usize::try_from(first).ok()?..usize::try_from(first + count).ok()?);
        match self {
            Self::Same { bytes, .. } => bytes.saturating_mul(count),
            Self::Each(entries) => {
                let entries = range().and_then(|range| entries.get(range)).unwrap_or_default();
                entries.iter().map(|entry| u64::from(u32::from_be_bytes(*entry))).sum()
            }
            Self::Compact { bits, entries, .. } => {
                range().unwrap_or_default().map(|at| compact(entries, *bits, at)).sum()
            }
        }
    }
}

fn compact(entries: &[u8], bits: usize, at: usize) -> u64 {
    let byte = |at: usize| u64::from(entries.get(at).copied().unwrap_or(0));
    match bits {
        4 if at.is_multiple_of(2) => byte(at / 2) >> 4,
        4 => byte(at / 2) & 15,
        8 => byte(at),
        _ => byte(2 * at) << 8 | byte(2 * at + 1),
    }
}

/// Where the chunks of a track begin.
fn offsets(stbl: &[u8]) -> Option<Box<dyn Iterator<Item = u64> + '_>> {
    if let Some(co64) = child(stbl, b"co64") {
        return Some(Box::new(table::<8>(co64)?.iter().map(|at| u64::from_be_bytes(*at))));
    }
    let stco = table::<4>(child(stbl, b"stco")?)?;
    Some(Box::new(stco.iter().map(|at| u64::from(u32::from_be_bytes(*at)))))
}

/// The entries of a box that begins with version, flags and a count, as far as they exist.
fn table<const N: usize>(body: &[u8]) -> Option<&[[u8; N]]> {
    let (entries, _) = body.get(8..)?.as_chunks::<N>();
    let count = usize::try_from(word(body, 4)?).ok()?.min(entries.len());
    entries.get(..count)
}

/// Four bytes as a number.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::super::boxes::Header;
    use super::*;

    const FASTSTART: &[u8] = include_bytes!("../../../tests/it/fixtures/media/faststart.mp4");

    fn moov(file: &[u8]) -> &[u8] {
        child(file, b"moov").unwrap()
    }

    #[test]
    fn the_last_sample_of_a_file_ends_with_its_media() {
        let extent = extent(moov(FASTSTART), u64::MAX).unwrap();
        assert_eq!(extent.end, FASTSTART.len() as u64);
        assert_eq!(extent.samples, 25 + 45);
    }

    fn boxed(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
        let size = u32::try_from(payload.len() + 8).unwrap();
        [size.to_be_bytes().as_slice(), kind, payload].concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// A `moov` of one track with these tables.
    fn file(tables: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
        let tables: Vec<u8> = tables.iter().flat_map(|(kind, body)| boxed(kind, body)).collect();
        boxed(b"trak", &boxed(b"mdia", &boxed(b"minf", &boxed(b"stbl", &tables))))
    }

    #[test]
    fn every_form_of_the_tables_is_read() {
        let stsc = || (b"stsc", words(&[0, 2, 1, 2, 1, 2, 1, 1]));
        let stco = || (b"stco", words(&[0, 3, 1000, 500, 100]));
        let each = || (b"stsz", words(&[0, 0, 4, 1, 2, 30, 4]));
        let end = |tables: &[(&[u8; 4], Vec<u8>)]| {
            extent(&file(tables), 1010).map(|e| (e.end, e.samples))
        };
        assert_eq!(end(&[each(), stsc(), stco()]), Some((1003, 4)));
        let co64 = || (b"co64", words(&[0, 2, 0, 1000, 7, 0]));
        assert_eq!(end(&[each(), stsc(), co64()]), Some(((7 << 32) + 30, 3)));
        assert_eq!(end(&[(b"stsz", words(&[0, 9, 4])), stsc(), stco()]), Some((1018, 4)));
        let eight = (b"stz2", [words(&[0, 8, 4]), vec![1, 2, 30, 4]].concat());
        assert_eq!(end(&[eight, stsc(), stco()]), Some((1003, 4)));
        let four = (b"stz2", [words(&[0, 4, 4]), vec![0x12, 0xf4]].concat());
        assert_eq!(end(&[four, stsc(), stco()]), Some((1003, 4)));
        let beyond = |tables: &[(&[u8; 4], Vec<u8>)]| {
            extent(&file(tables), 1002).map(|extent| (extent.beyond, extent.bytes))
        };
        assert_eq!(beyond(&[each(), stsc(), stco()]), Some((3, 37)));
        let empty = (b"stsc", words(&[0, 1, 1, 0, 1]));
        assert_eq!(end(&[each(), empty, stco()]), Some((0, 4)), "as players mend it");
        assert_eq!(end(&[each(), stsc()]), None);
        assert_eq!(end(&[stsc(), stco()]), None);
    }

    #[test]
    fn what_no_player_reads_of_a_track_says_nothing_of_where_the_file_ends() {
        let file = |handler: &[u8; 4], coding: &[u8; 4], size: u32| {
            let stsd = [words(&[0, 1]), boxed(coding, &[0; 28])].concat();
            let tables = [
                (b"stsd", stsd),
                (b"stsz", words(&[0, size, 4])),
                (b"stsc", words(&[0, 1, 1, 4, 1])),
                (b"stco", words(&[0, 1, 1000])),
            ];
            let tables: Vec<u8> = tables.iter().flat_map(|(k, body)| boxed(k, body)).collect();
            let hdlr = boxed(b"hdlr", &[words(&[0, 0]).as_slice(), handler].concat());
            let minf = boxed(b"minf", &boxed(b"stbl", &tables));
            boxed(b"trak", &boxed(b"mdia", &[hdlr, minf].concat()))
        };
        let end = |handler, coding| {
            extent(&file(handler, coding, 1 << 20), 1010).map(|e| (e.end, e.samples, e.beyond))
        };
        let beyond = Some((1000 + (4 << 20), 4, 4 << 20));
        assert_eq!(end(b"vide", b"xvid"), beyond);
        assert_eq!(end(b"tmcd", b"tmcd"), Some((0, 4, 0)));
        assert_eq!(end(b"soun", b"twos"), Some((0, 4, 0)), "its codec states the size");
    }

    #[test]
    fn counts_that_lie_cost_nothing() {
        let many = u32::MAX;
        let tables = [
            (b"stsz", words(&[0, 1, many])),
            (b"stsc", words(&[0, many, 1, many, 1])),
            (b"stco", words(&[0, many, 7, 9])),
        ];
        let extent = extent(&file(&tables), 0).unwrap();
        assert_eq!((extent.end, extent.samples), (7 + u64::from(many), u64::from(many)));
    }

    proptest::proptest! {
        #[test]
        fn no_tables_are_too_broken(changes in proptest::collection::vec((0_usize..4000, 0_u8..), 1..8)) {
            let mut moov = moov(FASTSTART).to_vec();
            for (at, byte) in changes {
                let at = at % moov.len();
                moov[at] = byte;
            }
            // It only has to return.
            let _ = extent(&moov, 4000);
            let _ = Header::read(&moov);
        }
    }
}
