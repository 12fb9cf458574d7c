//! Videos as they are, and damaged on purpose.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::super::{BoxWalk, Limits};
use super::nal::NalWalk;
use super::*;

const FASTSTART: &[u8] = include_bytes!("../../../../tests/it/fixtures/media/faststart.mp4");
const AT_END: &[u8] = include_bytes!("../../../../tests/it/fixtures/media/moov-at-end.mp4");
const FRAGMENTED: &[u8] = include_bytes!("../../../../tests/it/fixtures/media/fragmented.mp4");
const HEVC: &[u8] = include_bytes!("../../../../tests/it/fixtures/media/hevc.mp4");

/// What a file is, as its boxes tell: its `moov`, where that begins, and where its media data lies.
fn parts(file: &[u8]) -> (Bytes, u64, Vec<Range<u64>>) {
    let mut walk = BoxWalk::new(Limits::default());
    walk.feed(file).unwrap();
    let whole = walk.finish(None).unwrap();
    (whole.moov.unwrap().into(), whole.moov_at.start, whole.media)
}

fn tables(file: &[u8]) -> Result<Arc<SampleTables>, Unexaminable> {
    let (moov, at, _) = parts(file);
    SampleTables::read(&moov, at).map(Arc::new)
}

fn examined_in(file: &[u8], step: usize) -> Examined {
    let mut examiner = Examiner::from(tables(file).unwrap(), 0).unwrap();
    file.chunks(step).for_each(|bytes| examiner.feed(bytes));
    examiner.finish(&parts(file).2, file.len() as u64)
}

fn examined(file: &[u8]) -> Examined {
    examined_in(file, 4096)
}

/// Where samples of a track lie, in its order.
fn samples(file: &[u8], track: usize) -> Vec<Range<usize>> {
    let tables = tables(file).unwrap();
    let track = &tables.tracks[track];
    let mut all = Vec::new();
    for chunk in 0..track.chunks() {
        let mut at = track.chunk_offset(chunk).unwrap() as usize;
        let (first, count, _) = track.chunk(chunk).unwrap();
        for sample in first..first + count {
            let size = track.sizes.of(sample).unwrap() as usize;
            all.push(at..at + size);
            at += size;
        }
    }
    all
}

/// Where the entries of a table of the first track lie in a file.
fn table(file: &[u8], name: &[u8; 4]) -> usize {
    file.windows(4).position(|bytes| bytes == name).unwrap() + 4
}

fn what(examined: &Examined) -> Vec<Wrong> {
    examined.places.iter().map(|place| place.what).collect()
}

#[test]
fn a_sound_file_has_every_sample_accounted_for_however_it_is_cut() {
    let sound = Examined { places: Vec::new(), unexamined: None };
    for file in [FASTSTART, AT_END, HEVC, FRAGMENTED] {
        for step in [1, 7, 1000, file.len()] {
            assert_eq!(examined_in(file, step), sound, "in pieces of {step}");
        }
    }
    let mut bare = FASTSTART.to_vec();
    for sizes in 0..2 {
        let at =
            bare.windows(4).enumerate().filter(|(_, four)| four == b"stsz").nth(sizes).unwrap();
        let count = at.0 + 12;
        bare[count..count + 4].fill(0);
    }
    assert_eq!(tables(&bare).unwrap_err(), Unexaminable::NoSamples);
}

#[test]
fn what_an_examination_has_seen_survives_a_pause_anywhere() {
    let mut file = FASTSTART.to_vec();
    let broken = samples(&file, 0)[12].clone();
    file[broken.start] = 0xff;
    let at_once = examined(&file);
    assert_eq!(what(&at_once), [Wrong::Length]);
    for cut in (0..file.len()).step_by(97) {
        let tables = tables(&file).unwrap();
        let mut examiner = Examiner::from(Arc::clone(&tables), 0).unwrap();
        examiner.feed(&file[..cut]);
        let kept = serde_json::to_string(examiner.progress()).unwrap();
        let mut examiner = Examiner::resume(tables, serde_json::from_str(&kept).unwrap()).unwrap();
        examiner.feed(&file[cut..]);
        assert_eq!(examiner.finish(&parts(&file).2, file.len() as u64), at_once, "cut at {cut}");
    }
    assert!(Examiner::from(tables(&file).unwrap(), broken.end as u64).is_none(), "begun too late");
}

#[test]
fn a_length_that_does_not_fit_is_named_by_offset_and_time_in_every_sample() {
    for file in [FASTSTART, HEVC] {
        for sample in samples(file, 0) {
            let mut file = file.to_vec();
            file[sample.start + 1] ^= 0x10;
            let found = examined(&file);
            let [place] = found.places.as_slice() else { panic!("{found:?}") };
            assert_eq!((place.range.start, place.what), (sample.start as u64, Wrong::Length));
            assert!(place.range.end >= sample.end as u64 && place.at_ms.is_some());
            assert_eq!(found.unexamined, None, "what is found is told, and all was examined");
        }
    }
    let last = samples(FASTSTART, 0).last().unwrap().clone();
    let mut file = FASTSTART.to_vec();
    file[last.start] = 1;
    let place = examined(&file).places.remove(0);
    assert_eq!((place.at_ms, place.duration_ms), (Some(960), Some(40)), "frame 25 of 25 a second");
}

#[test]
fn tables_that_cannot_be_read_are_damage_and_so_are_those_of_tracks_that_are_not_shown() {
    let place = |file: &[u8], name: &[u8; 4], nth: usize| {
        let found = file.windows(4).enumerate().filter(|(_, four)| four == name);
        found.map(|(at, _)| at).nth(nth).unwrap()
    };
    for name in [b"stsz", b"stsd", b"mdhd"] {
        for track in 0..2 {
            let mut file = FASTSTART.to_vec();
            let at = place(&file, name, track);
            file[at] ^= 0x20;
            assert!(what(&examined(&file)).contains(&Wrong::Tables), "{name:?} of track {track}");
        }
    }
    let mut file = FASTSTART.to_vec();
    let sound = place(&file, b"soun", 0);
    file[sound..sound + 4].copy_from_slice(b"text");
    assert_eq!(what(&examined(&file)), [], "what is no sound may be anything");
    let count = place(&file, b"stsc", 1) + 4 + 4;
    file[count + 2] ^= 0x40;
    assert_eq!(what(&examined(&file)), [Wrong::Count]);
}

#[test]
fn pictures_of_one_size_have_as_many_samples_as_their_chunks_and_a_description() {
    let sizes = table(FASTSTART, b"stsz");
    let equal = |count: u32| {
        let mut file = FASTSTART.to_vec();
        file[sizes + 4..sizes + 12].copy_from_slice(&[[0, 0, 0, 77], count.to_be_bytes()].concat());
        file
    };
    assert!(what(&examined(&equal(1 << 29))).contains(&Wrong::Tables));
    let mut file = equal(25);
    let description = table(&file, b"stsc") + 8 + 8;
    assert!(!what(&examined(&file)).contains(&Wrong::Count));
    file[description + 3] ^= 4;
    assert!(what(&examined(&file)).contains(&Wrong::Count));
}

/// A player reads what follows a frame as another one, unless it is zeros.
#[test]
fn a_frame_of_sound_that_reaches_into_the_next_chunk_is_found_unless_it_ends_in_zeros() {
    let (pictures, sounds) = (samples(FASTSTART, 0), samples(FASTSTART, 1));
    let is_before_picture = |end: usize| pictures.iter().any(|picture| picture.start == end);
    let last = sounds.iter().enumerate().filter(|(_, sound)| is_before_picture(sound.end));
    let last: Vec<(usize, Range<usize>)> = last.map(|(number, at)| (number, at.clone())).collect();
    assert!(last.len() > 3, "{last:?}");
    let sizes = FASTSTART.windows(4).enumerate().filter(|(_, four)| four == b"stsz").nth(1);
    let sizes = sizes.unwrap().0 + 4 + 12;
    for (number, sound) in last {
        for (more, is_damage) in [(1, false), (2, false), (4, true), (5, true)] {
            let (size, mut file) = ((sound.len() + more) as u32, FASTSTART.to_vec());
            let at = sizes + 4 * number;
            file[at..at + 4].copy_from_slice(&size.to_be_bytes());
            let found = examined(&file);
            let is_found = what(&found).contains(&Wrong::Overlap);
            assert_eq!(is_found, is_damage, "{more} bytes more of frame {number}: {found:?}");
            assert!(is_damage || found.unexamined.is_some(), "{found:?}");
        }
    }
}

#[test]
fn tables_that_point_elsewhere_are_found() {
    let flipped = |name: &[u8; 4], at: usize, bit: u8| {
        let mut file = FASTSTART.to_vec();
        let at = table(&file, name) + at;
        file[at] ^= bit;
        file
    };
    assert!(what(&examined(&flipped(b"stco", 8, 0x40))).contains(&Wrong::Outside));
    assert!(!examined(&flipped(b"stco", 11, 4)).places.is_empty());
    for sample in 0..25 {
        // One that is too long by a byte plays all the same.
        let found = examined(&flipped(b"stsz", 12 + 4 * sample + 3, 1));
        let is_told = !found.places.is_empty() || found.unexamined.is_some();
        assert!(is_told, "the size of sample {sample}");
        assert!(!examined(&flipped(b"stsz", 12 + 4 * sample, 1)).places.is_empty());
    }
    assert!(what(&examined(&flipped(b"stsc", 8 + 7, 4))).contains(&Wrong::Count));
    assert_eq!(what(&examined(&flipped(b"stsc", 8 + 11, 2))), [Wrong::Count], "no description");
    let last = table(FASTSTART, b"stsc") + 7;
    let last = 8 + 12 * (usize::from(FASTSTART[last]) - 1);
    let negative = examined(&flipped(b"stsc", last + 8, 0x80));
    assert!(negative.places.is_empty(), "players take the first description then");
    assert_eq!(what(&examined(&flipped(b"stsc", 7, 0x40))), [Wrong::Count], "shorter than it says");
    assert_eq!(what(&examined(&flipped(b"stco", 7, 0x40))), [Wrong::Count], "shorter than it says");
    // One entry, for one sample a chunk.
    let mut alone = FASTSTART.to_vec();
    let stsc = table(&alone, b"stsc");
    (alone[stsc + 7], alone[stsc + 8 + 7]) = (1, 1);
    assert!(!what(&examined(&alone)).contains(&Wrong::Count));
    alone[stsc + 8 + 2] = 0x40;
    assert!(
        what(&examined(&alone)).contains(&Wrong::Count),
        "it begins with a chunk that is not there"
    );
    let odd = examined(&flipped(b"stts", 8 + 3, 1));
    assert!(odd.places.is_empty(), "players put up with it");
    assert!(odd.unexamined.unwrap().contains("stts and stsz"));
}

#[test]
fn tables_that_say_they_reach_beyond_the_file_are_found() {
    let flipped = |file: &[u8], name: &[u8; 4], at: usize, bit: u8| {
        let mut file = file.to_vec();
        let at = table(&file, name) + at;
        file[at] ^= bit;
        examined(&file)
    };
    for file in [FASTSTART, AT_END] {
        for (name, count) in [(b"stsz", 8), (b"stts", 4), (b"stss", 4)] {
            assert_eq!(what(&flipped(file, name, count, 0x10)), [Wrong::Count], "{name:?}");
        }
    }
    for (name, count) in [(b"stsz", 8), (b"stss", 4)] {
        let few = flipped(FASTSTART, name, count + 3, 0x40);
        assert!(few.places.is_empty(), "players read on in the next table");
        assert!(few.unexamined.unwrap().contains("stsz"));
    }
    let many = what(&flipped(FASTSTART, b"stsz", 10, 4));
    assert_eq!(many, [Wrong::Count], "pictures are taken for sizes");
    assert_eq!(what(&flipped(FRAGMENTED, b"stsz", 11, 0x10)), [Wrong::Count], "and no places");
    let beyond = what(&flipped(FRAGMENTED, b"stsz", 9, 0x40));
    assert_eq!(beyond, [], "nobody misses those of a `moov` that fragments follow");
    assert_eq!(what(&flipped(FRAGMENTED, b"stsz", 8, 0x10)), [Wrong::Count], "too many to read");
    // The counts of the first and the last of 25 entries.
    assert!(what(&flipped(FASTSTART, b"ctts", 8 + 2, 0x20)).contains(&Wrong::Count));
    let last = flipped(FASTSTART, b"ctts", 8 + 8 * 24 + 2, 0x20);
    assert!(last.places.is_empty(), "it is good for all samples that there are");
    assert!(last.unexamined.unwrap().contains("ctts and stsz"));
    let overrun = flipped(FASTSTART, b"ctts", 8 + 8 * 20 + 2, 0x20);
    assert!(what(&overrun).contains(&Wrong::Count), "the last entries apply to no picture");
}

#[test]
fn a_picture_that_is_shown_an_hour_late_or_never_is_found_wherever_it_is() {
    for entry in 0..25 {
        for bit in [0x80, 0x10] {
            let mut file = FASTSTART.to_vec();
            file[table(FASTSTART, b"ctts") + 8 + 8 * entry + 4] ^= bit;
            assert!(what(&examined(&file)).contains(&Wrong::Times), "entry {entry}, {bit:x}");
        }
    }
}

#[test]
fn a_codec_that_is_not_known_is_said_and_nothing_is_found_in_it() {
    let mut file = FASTSTART.to_vec();
    let entry = file.windows(4).position(|bytes| bytes == b"avc1").unwrap();
    let entry = file[entry + 4..]
        .windows(4)
        .position(|bytes| bytes == b"avc1")
        .map_or(entry, |at| entry + 4 + at);
    file[entry..entry + 4].copy_from_slice(b"xvid");
    let sample = samples(FASTSTART, 0)[3].clone();
    file[sample].fill(0);
    let found = examined(&file);
    assert!(found.places.is_empty(), "{found:?}");
    assert_eq!(found.unexamined.unwrap(), "samples of the type xvid cannot be examined");
}

#[test]
fn the_tables_that_came_with_the_file_are_those_it_is_examined_by() {
    let mut other = FASTSTART.to_vec();
    let at = table(&other, b"stts") + 8 + 7;
    other[at] ^= 1;
    let mut examiner = Examiner::from(tables(FASTSTART).unwrap(), 0).unwrap();
    other.chunks(100).for_each(|bytes| examiner.feed(bytes));
    let found = examiner.finish(&parts(FASTSTART).2, other.len() as u64);
    assert_eq!(what(&found), [Wrong::OtherTables]);
}

#[test]
fn bytes_that_the_tables_leave_out_behind_a_frame_of_sound_are_found() {
    for number in 0..samples(FASTSTART, 1).len() {
        let mut file = FASTSTART.to_vec();
        let sizes: Vec<_> = memchr::memmem::find_iter(&file, b"stsz").collect();
        let size = &mut file[sizes[1] + 4 + 12 + 4 * number + 3];
        *size &= size.wrapping_sub(1);
        if file != FASTSTART {
            assert!(!examined(&file).places.is_empty(), "the size of frame {number}");
        }
    }
}

/// What is wrong with a sample of one AVC unit of these bytes.
fn unit(unit: &[u8], step: usize) -> Vec<Wrong> {
    let length = u32::try_from(unit.len()).unwrap();
    let sample = [&length.to_be_bytes(), unit].concat();
    let mut walk = NalWalk::new(4, false, length + 4);
    let mut found = Vec::new();
    sample.chunks(step).for_each(|bytes| walk.take(bytes, |_, what| found.push(what)));
    found
}

#[test]
fn zeros_within_a_picture_are_found_wherever_they_lie_and_told_from_padding() {
    let noise: Vec<u8> = (0..4000_u32).map(|n| 1 + (n * 7919 % 251) as u8).collect();
    let picture = [&[0x65], noise.as_slice()].concat();
    let description = [&[0x06], noise.as_slice()].concat();
    let with = |unit: &[u8], at: usize, bytes: &[u8]| {
        let mut unit = unit.to_vec();
        unit[at..at + bytes.len()].copy_from_slice(bytes);
        unit
    };
    for step in [1, 3, 64, 5000] {
        assert_eq!(unit(&picture, step), []);
        for at in [1, 2, 700, picture.len() - 65] {
            assert_eq!(unit(&with(&picture, at, &[0; 64]), step), [Wrong::Zeros], "at {at}");
            assert_eq!(unit(&with(&description, at, &[0; 64]), step), [Wrong::ZerosBeside]);
        }
        let end = picture.len() - 64;
        assert_eq!(unit(&with(&picture, end, &[0; 64]), step), [Wrong::Padding]);
        for last in 0..=2 {
            let found = unit(&with(&picture, 99, &[0, 0, last]), step);
            assert_eq!(found, [Wrong::Sequence], "00 00 0{last}");
            assert_eq!(unit(&with(&description, 99, &[0, 0, last]), step), []);
        }
        assert_eq!(unit(&with(&picture, 99, &[0, 0, 3]), step), [], "that is how it is escaped");
        assert_eq!(unit(&with(&picture, 0, &[0xe5]), step), [Wrong::Header]);
        assert_eq!(unit(&[&[0x0c][..], &[0; 200]].concat(), step), [], "filler");
    }
    let page =
        "<html><body><h1>404 Not Found</h1><hr>nginx/1.18 (Ubuntu)</body></html>\n".repeat(9);
    assert_eq!(unit(&with(&picture, 2000, page.as_bytes()), 5000), [Wrong::Text]);
}

#[test]
fn what_is_left_of_a_sample_after_its_units_may_be_padding() {
    let of = |sample: &[u8]| {
        let mut walk = NalWalk::new(4, false, sample.len() as u32);
        let mut found = Vec::new();
        walk.take(sample, |_, what| found.push(what));
        found
    };
    assert_eq!(of(&[0, 0, 0, 2, 0x65, 9, 0, 0, 0]), []);
    assert_eq!(of(&[0, 0, 0, 2, 0x65, 9, 0, 0, 0, 9, 1]), [Wrong::Length]);
    assert_eq!(of(&[0, 0, 0, 1, 0x09, 0, 0, 1, 0x65, 9]), [Wrong::StartCode]);
    assert_eq!(of(&[0, 0, 0, 2]), [Wrong::Length], "there is no unit");
}
