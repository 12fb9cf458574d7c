//! Videos in fragments as they are, and damaged on purpose.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::super::super::fragments::{Entry, trafs};
use super::super::super::{BoxWalk, Limits};
use super::super::{Examined, Examiner, SampleTables};
use super::*;

const BY_OFFSET: &[u8] = include_bytes!("../../../../../tests/it/fixtures/media/fragmented.mp4");
const INIT: &[u8] = include_bytes!("../../../../../tests/it/fixtures/media/cmaf-init.mp4");
const FIRST: &[u8] = include_bytes!("../../../../../tests/it/fixtures/media/cmaf-0.m4s");
const SECOND: &[u8] = include_bytes!("../../../../../tests/it/fixtures/media/cmaf-1.m4s");

/// Four seconds in two fragments, whose offsets count from those.
fn file() -> Vec<u8> {
    [INIT, FIRST, SECOND].concat()
}

fn examine(file: &[u8], step: usize) -> Examined {
    let (mut walk, mut examiner, mut at) = (BoxWalk::new(Limits::default()), None, 0);
    for bytes in file.chunks(step) {
        walk.feed(bytes).unwrap();
        if examiner.is_none()
            && let Some((moov, moov_at)) = walk.kept_moov()
        {
            let tables = SampleTables::read(&Bytes::copy_from_slice(moov), moov_at).unwrap();
            examiner = Examiner::from(Arc::new(tables), at);
        }
        // Resumed after every piece, as by another process.
        if step < 500 {
            examiner.iter_mut().for_each(|examiner| examiner.feed(bytes));
        } else if let Some(now) = examiner.take() {
            let (tables, progress) = (Arc::clone(&now.tables), now.progress().clone());
            let kept = serde_json::to_string(&progress).unwrap();
            let mut resumed =
                Examiner::resume(tables, serde_json::from_str(&kept).unwrap()).unwrap();
            assert_eq!(*resumed.progress(), progress);
            resumed.feed(bytes);
            examiner = Some(resumed);
        }
        at += bytes.len() as u64;
    }
    let whole = walk.finish(Some(file.len() as u64)).unwrap();
    examiner.unwrap().finish(&whole.media, whole.total)
}

fn examined(file: &[u8]) -> Examined {
    let at_once = examine(file, file.len());
    let told = |examined: &Examined| {
        let places = examined.places.iter().map(|place| (place.range.end, place.at_ms, place.what));
        (places.collect::<Vec<_>>(), examined.unexamined.clone())
    };
    for step in [3, 1000] {
        assert_eq!(told(&examine(file, step)), told(&at_once), "in pieces of {step}");
    }
    at_once
}

fn what(examined: &Examined) -> Vec<Wrong> {
    examined.places.iter().map(|place| place.what).collect()
}

/// Where boxes of this type begin, their heads left out.
fn bodies(file: &[u8], kind: &[u8; 4]) -> Vec<usize> {
    file.windows(4).enumerate().filter(|(_, four)| four == kind).map(|(at, _)| at + 4).collect()
}

/// Where the samples of the pictures of a video lie, and when they are shown.
fn pictures(file: &[u8]) -> Vec<(Range<usize>, u64)> {
    let moovs = bodies(file, b"moov");
    let moov = moovs[0]..moovs[0] + size(file, moovs[0]) - 8;
    let tracks = Tracks::read(&file[moov]);
    let mut all = Vec::new();
    for moof in bodies(file, b"moof") {
        let payload = &file[moof..moof + size(file, moof) - 8];
        let traf =
            trafs(payload, moof as u64 - 8, |id| tracks.defaults(id)).next().unwrap().unwrap();
        let mut time = traf.time.unwrap();
        for (start, run) in &traf.runs {
            let mut at = *start as usize;
            for Entry { size, duration, .. } in run.samples() {
                let size = size.unwrap() as usize;
                all.push((at..at + size, tracks.all[0].millis(time)));
                at += size;
                time += u64::from(duration.unwrap());
            }
        }
    }
    all
}

/// The size of the box whose payload begins there.
fn size(file: &[u8], body: usize) -> usize {
    u32::from_be_bytes(file[body - 8..body - 4].try_into().unwrap()) as usize
}

#[test]
fn every_sample_of_a_sound_file_in_fragments_is_accounted_for() {
    let sound = Examined { places: Vec::new(), unexamined: None };
    for file in [BY_OFFSET, &file()] {
        assert_eq!(examined(file), sound);
    }
    assert_eq!(pictures(BY_OFFSET).len(), 25);
    let fourth = pictures(&file()).len();
    assert_eq!(fourth, 48);
}

/// A box with so many bytes of no meaning.
fn boxed(kind: &[u8; 4], bytes: usize) -> Vec<u8> {
    let size = u32::try_from(bytes + 8).unwrap();
    [size.to_be_bytes().as_slice(), kind, &vec![0x6d; bytes]].concat()
}

#[test]
fn boxes_around_the_fragments_make_no_difference() {
    let between = [boxed(b"emsg", 90), boxed(b"prft", 24), boxed(b"free", 5000), boxed(b"abcd", 9)];
    let after = [boxed(b"mfra", 100), boxed(b"skip", 0)];
    let file = [INIT, FIRST, &between.concat(), SECOND, &after.concat()].concat();
    assert_eq!(examined(&file), Examined { places: Vec::new(), unexamined: None });
}

#[test]
fn a_length_that_does_not_fit_is_named_by_offset_and_time() {
    for (sample, at_ms) in pictures(&file()) {
        let mut file = file();
        file[sample.start + 1] ^= 0x10;
        let found = examine(&file, 1000);
        let [place] = found.places.as_slice() else { panic!("{found:?}") };
        assert_eq!(place.what, Wrong::Length);
        assert!(sample.contains(&(place.range.start as usize)), "{place:?} {sample:?}");
        assert!(place.range.end >= sample.end as u64);
        assert_eq!((place.at_ms, found.unexamined.as_ref()), (Some(at_ms), None));
        let until = at_ms + place.duration_ms.unwrap();
        assert!(until.is_multiple_of(1000) && (1..=1000).contains(&(until - at_ms)), "{place:?}");
    }
}

#[test]
fn zeros_and_pages_in_the_middle_are_found_and_what_follows_is_examined() {
    let page = b"<html><body><h1>404 Not Found</h1></body></html>\n".repeat(200);
    for with in [vec![0; 6000], page] {
        for at in (INIT.len()..INIT.len() + FIRST.len()).step_by(997) {
            let mut file = file();
            file[at..at + with.len()].copy_from_slice(&with);
            let last = pictures(SECOND_ALONE).pop().unwrap();
            let last = last.0.start + file.len() - SECOND_ALONE.len();
            file[last] ^= 0x80;
            let found = examine(&file, 1000);
            let is_near = |place: &Place| {
                place.range.start < (at + with.len() + 2000) as u64 && place.range.end >= at as u64
            };
            assert!(is_near(&found.places[0]), "at {at}: {found:?}");
            assert!(found.places.iter().any(|place| place.range.end > last as u64), "at {at}");
        }
    }
}

/// As the second fragment stands in a video of its own.
const SECOND_ALONE: &[u8] = &{
    let mut file = [0; INIT.len() + SECOND.len()];
    let (init, second) = file.split_at_mut(INIT.len());
    init.copy_from_slice(INIT);
    second.copy_from_slice(SECOND);
    file
};

#[test]
fn fragments_that_place_their_samples_elsewhere_are_found() {
    let with = |kind: &[u8; 4], nth: usize, at: usize, bytes: &[u8]| {
        let mut file = file();
        let at = bodies(&file, kind)[nth] + at;
        file[at..at + bytes.len()].copy_from_slice(bytes);
        examined(&file)
    };
    // The offset of the first run, the size of a sample, and how many there are.
    assert!(!with(b"trun", 0, 8, &[0, 0, 3, 0x20]).places.is_empty());
    assert!(!with(b"trun", 0, 8, &[0xff, 0xff, 0, 0]).places.is_empty());
    assert!(what(&with(b"trun", 2, 8, &[0x7f, 0, 0, 0])).contains(&Wrong::Outside));
    assert!(!with(b"trun", 0, 12, &[0, 0, 0, 99]).places.is_empty());
    assert!(what(&with(b"trun", 1, 4, &[0, 0xff, 0, 0])).contains(&Wrong::Fragment));
    assert_eq!(what(&with(b"tfhd", 2, 4, &[0, 0, 0, 7]))[0], Wrong::Fragment);
    // Media data that ends too soon, or only with the next fragment.
    let sooner = with(b"mdat", 0, 0, &[]);
    assert!(sooner.places.is_empty());
    let end = SECOND.len() as u32 + FIRST.len() as u32;
    for wrong in [4000_u32, 20_000, end] {
        let mut file = file();
        let mdat = bodies(&file, b"mdat")[0];
        file[mdat - 8..mdat - 4].copy_from_slice(&wrong.to_be_bytes());
        let found = if wrong == end { continue } else { examine(&file, 1000) };
        assert!(!found.places.is_empty(), "media data of {wrong} bytes");
    }
}

#[test]
fn fragments_lost_at_the_end_are_found_where_something_tells_of_them() {
    let second = INIT.len() + FIRST.len();
    let moof = second + bodies(SECOND, b"moof")[0] - 8;
    let (sidx, other) = (boxed(b"sidx", 32), vec![0x6d; 9000]);
    let index = [0, 0, 0, 16].into_iter().chain(*b"mfro").chain([0; 8]).collect::<Vec<u8>>();
    let zeroed = |to: usize| {
        let mut file = file();
        file[moof..to].fill(0);
        file
    };
    let rest = zeroed(file().len() - 7);
    let before = [INIT, FIRST].concat();
    for file in [
        rest,
        [&zeroed(file().len()), index.as_slice()].concat(),
        [&before, sidx.as_slice(), &other].concat(),
    ] {
        let found = examined(&file);
        let [place] = found.places.as_slice() else { panic!("{found:?}") };
        assert_eq!((place.range.end, place.at_ms), (file.len() as u64, Some(2000)));
        assert_eq!(place.what, Wrong::Boxes);
    }
    // Players pass over what follows the last fragment.
    for file in [&before, BY_OFFSET, &file(), &[&before, sidx.as_slice(), SECOND].concat()] {
        for after in [vec![0; 9000], other.clone(), [vec![0; 2000], vec![7; 2000]].concat()] {
            let sound = Examined { places: Vec::new(), unexamined: None };
            assert_eq!(examined(&[file, after.as_slice()].concat()), sound);
        }
    }
}

#[test]
fn a_fragment_of_which_only_the_head_is_left_is_found_at_the_end_too() {
    let moof = INIT.len() + FIRST.len() + bodies(SECOND, b"moof")[0];
    let mut file = file();
    file[moof + 16..].fill(0x6d);
    let found = what(&examined(&file));
    assert!(found.contains(&Wrong::Fragment), "{found:?}");
    let mfhd = [&[0, 0, 0, 16], b"mfhd".as_slice(), &[0; 8]].concat();
    let empty = [&[0, 0, 0, 24], b"moof".as_slice(), &mfhd].concat();
    let sound = Examined { places: Vec::new(), unexamined: None };
    assert_eq!(examined(&[INIT, FIRST, &empty, SECOND].concat()), sound);
}

#[test]
fn fragments_without_number_cost_little() {
    let count = u32::MAX.to_be_bytes();
    let trun = [&[0, 0, 0, 20], b"trun".as_slice(), &[0; 4], &count, &[0; 4]].concat();
    let tfhd = [&[0, 0, 0, 20], b"tfhd".as_slice(), &[0, 2, 0, 0x10], &[0, 0, 0, 1, 0, 0, 0, 1]];
    let tfhd = tfhd.concat();
    let traf = [&[0, 0, 0, 48], b"traf".as_slice(), &tfhd, &trun].concat();
    let mfhd = [&[0, 0, 0, 16], b"mfhd".as_slice(), &[0; 8]].concat();
    let moof = [&[0, 0, 0, 72], b"moof".as_slice(), &mfhd, &traf].concat();
    let file = [INIT, &moof.repeat(500), FIRST].concat();
    assert!(examined(&file).unexamined.unwrap().contains("too many samples"));
}
