use proptest::prelude::*;

use super::*;

const FASTSTART: &[u8] = include_bytes!("../../../../tests/it/fixtures/media/faststart.mp4");
const AT_END: &[u8] = include_bytes!("../../../../tests/it/fixtures/media/moov-at-end.mp4");
const FRAGMENTED: &[u8] = include_bytes!("../../../../tests/it/fixtures/media/fragmented.mp4");

/// Walks over `file` in pieces of `step` bytes.
fn walk(file: &[u8], step: usize, announced: Option<u64>) -> Result<Mp4Structure, Mp4Error> {
    let mut walk = BoxWalk::new(Limits { moov_bytes: 1 << 20 });
    for bytes in file.chunks(step.max(1)) {
        walk.feed(bytes)?;
    }
    let structure = walk.finish(announced)?;
    let note = structure.check(structure.moov.as_deref())?;
    let is_of_tables = |note: &String| note.starts_with("its tables place");
    let note = note.filter(|note| !is_of_tables(note));
    assert_eq!(
        note.is_some(),
        matches!(
            structure.oddity,
            Some(
                Mp4Error::Garbage { .. } | Mp4Error::CutHeader { .. } | Mp4Error::Truncated { .. }
            )
        )
    );
    Ok(structure)
}

fn whole(file: &[u8]) -> Result<Mp4Structure, Mp4Error> {
    walk(file, file.len(), None)
}

fn boxed(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len() + 8).unwrap();
    [size.to_be_bytes().as_slice(), kind, payload].concat()
}

#[test]
fn whole_files_are_told_with_their_moov_and_its_place() {
    let front = whole(FASTSTART).unwrap();
    assert!(front.faststart && !front.fragmented);
    assert_eq!(front.total, FASTSTART.len() as u64);
    let at =
        usize::try_from(front.moov_at.start).unwrap()..usize::try_from(front.moov_at.end).unwrap();
    assert_eq!(front.moov.as_deref(), Some(&FASTSTART[at.clone()]));
    assert_eq!(&FASTSTART[at.start - 4..at.start], b"moov");
    assert!(!whole(AT_END).unwrap().faststart);
    assert!(whole(FRAGMENTED).unwrap().fragmented);
}

#[test]
fn a_cut_at_any_place_is_found_without_knowing_the_length() {
    for file in [FASTSTART, AT_END] {
        for end in 0..file.len() {
            assert!(whole(&file[..end]).is_err(), "cut at {end}");
        }
    }
}

#[test]
fn a_cut_between_fragments_is_found_by_the_announced_length() {
    let announced = Some(FRAGMENTED.len() as u64);
    assert!(walk(FRAGMENTED, 1000, announced).is_ok());
    for end in 0..FRAGMENTED.len() {
        assert!(walk(&FRAGMENTED[..end], 1000, announced).is_err(), "cut at {end}");
    }
}

#[test]
fn what_is_no_mp4_is_called_what_it_looks_like() {
    let table: [(&[u8], &str); 6] = [
        (b"<!DOCTYPE html><html>", "an HTML or XML page"),
        (b"\n\n  <html><body>", "an HTML or XML page"),
        (b"{\"errcode\":1}", "a JSON message"),
        (b"{}", "a JSON message"),
        (b"#EXTM3U\n#EXT-X", "an HLS playlist"),
        (b"\xde\xad\xbe\xef\xde\xad\xbe\xef", "unknown data"),
    ];
    for (bytes, like) in table {
        assert_eq!(whole(bytes), Err(Mp4Error::NotMp4(like)), "{}", bytes.escape_ascii());
    }
    assert_eq!(whole(b""), Err(Mp4Error::Empty));
}

/// Walks over the file with this tail.
fn with_tail(file: &[u8], tail: &[u8]) -> Result<Mp4Structure, Mp4Error> {
    let file = [file, tail].concat();
    let outcome = whole(&file);
    for step in [1, 3, 1000] {
        assert_eq!(walk(&file, step, Some(file.len() as u64)), outcome, "in pieces of {step}");
    }
    outcome
}

#[test]
fn what_follows_the_last_box_makes_a_file_no_less_whole() {
    let long: &[u8] = b"\0\0\0\x01free\0\0\0\0\0\0\xff\xff and so on";
    let tails: [&[u8]; 10] = [
        &[0; 16],
        &[0; 5],
        b"x",
        b"<html></html>",
        b"ID3\x04\0\0\0\0\0\x0aTXXX and more",
        b"TAGtitle of the song",
        b"\0\0\x10\0free and so on",
        b"\0\0\0\x03free",
        b"\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff",
        long,
    ];
    for file in [FASTSTART, AT_END, FRAGMENTED] {
        for tail in tails {
            let told = with_tail(file, tail);
            let is_cut = file == FRAGMENTED && tail.windows(4).any(|four| four == b"mdat");
            assert!(told.is_ok() || is_cut, "{}: {told:?}", tail.escape_ascii());
            let moov = told.as_ref().ok().and_then(|mp4| mp4.moov.as_deref());
            let note = told.as_ref().ok().and_then(|mp4| mp4.check(moov).unwrap());
            assert!(is_cut || note.is_some(), "{}", tail.escape_ascii());
        }
        let whole = with_tail(file, &boxed(b"free", b"")).unwrap();
        assert_eq!(whole.oddity, None);
    }
}

#[test]
fn a_fragment_after_other_bytes_is_not_lost_in_silence() {
    let moof = FRAGMENTED.windows(4).position(|four| four == b"moof").unwrap() - 4;
    let end = FRAGMENTED.windows(4).position(|four| four == b"mfra").unwrap() - 4;
    let (file, fragment) = FRAGMENTED[..end].split_at(moof);
    for between in [&[0; 9][..], &[9; 70_000], &b"<html>no such page</html>\n".repeat(300)] {
        let file = [file, fragment, between, fragment, fragment].concat();
        for step in [1, 7, 5000, file.len()] {
            let mut walk = BoxWalk::new(Limits::default());
            file.chunks(step).for_each(|bytes| walk.feed(bytes).unwrap());
            assert!(walk.is_sound());
            let whole = walk.finish(Some(file.len() as u64)).unwrap();
            let gap = end as u64..(end + between.len()) as u64;
            assert_eq!(whole.gaps.as_slice(), std::slice::from_ref(&gap));
            assert_eq!((whole.media.len(), whole.oddity.clone()), (3, None));
            let note = whole.check(whole.moov.as_deref()).unwrap().unwrap();
            assert!(note.ends_with(&format!("are not boxes, from offset {end} on")), "{note}");
        }
    }
    assert!(with_tail(FASTSTART, &[&[0; 9], fragment].concat()).is_ok());
}

#[test]
fn a_file_that_lacks_samples_is_cut_whatever_its_boxes_say() {
    let mdat = FASTSTART.windows(4).position(|four| four == b"mdat").unwrap() - 4;
    let total = FASTSTART.len() as u64;
    // To the end of the file, wherever that is.
    let open = [&FASTSTART[..mdat], &[0; 4], &FASTSTART[mdat + 4..]].concat();
    assert!(whole(&open).is_ok(), "without an announced length");
    assert!(walk(&open, 1000, Some(total)).is_ok());
    let half = &open[..(mdat + open.len()) / 2];
    let cut = walk(half, 1000, Some(half.len() as u64));
    assert_eq!(cut, Err(Mp4Error::SamplesBeyond { end: total, total: half.len() as u64 }));
    let eight = [&FASTSTART[..mdat], &boxed(b"mdat", &[7; 8])].concat();
    assert!(matches!(whole(&eight), Err(Mp4Error::SamplesBeyond { .. })));

    let with = |kind: &[u8; 4], at: usize, word: u32| {
        let mut file = FASTSTART.to_vec();
        let body = file.windows(4).position(|four| four == kind).unwrap() + 4;
        file[body + at..body + at + 4].copy_from_slice(&word.to_be_bytes());
        whole(&file)
    };
    let misplaced = with(b"stco", 8, 9_000_000).unwrap();
    let note = misplaced.check(misplaced.moov.as_deref()).unwrap().unwrap();
    assert!(note.starts_with("its tables place ") && note.ends_with(" beyond its end"), "{note}");
    assert!(matches!(with(b"stsz", 12, 9_000_000), Err(Mp4Error::SamplesBeyond { .. })));
    assert!(with(b"stco", 8, 9).is_ok(), "it lies within the file: that is another's to find");
}

#[test]
fn a_file_without_samples_is_no_segment() {
    let tables = [(b"stsz", 12), (b"stsc", 8), (b"stco", 8)];
    let tables: Vec<u8> =
        tables.iter().flat_map(|(kind, bytes)| boxed(kind, &vec![0; *bytes])).collect();
    let trak = boxed(b"trak", &boxed(b"mdia", &boxed(b"minf", &boxed(b"stbl", &tables))));
    let file = [boxed(b"ftyp", b"isom"), boxed(b"moov", &trak), boxed(b"mdat", b"data")].concat();
    assert_eq!(whole(&file), Err(Mp4Error::NoSamples));
}

#[test]
fn fragments_are_cut_where_their_last_samples_are_missing() {
    let last = FRAGMENTED.windows(4).rposition(|four| four == b"mdat").unwrap() - 4;
    let next = u32::from_be_bytes(FRAGMENTED[last..last + 4].try_into().unwrap()) as usize;
    let mut open = FRAGMENTED[..last + next].to_vec();
    open[last..last + 4].fill(0);
    assert!(walk(&open, 100, Some(open.len() as u64)).is_ok());
    let half = &open[..last + next / 2];
    let cut = walk(half, 100, Some(half.len() as u64));
    assert!(matches!(cut, Err(Mp4Error::SamplesBeyond { .. })), "{cut:?}");
}

#[test]
fn a_stored_walk_that_no_file_can_have_led_to_is_not_sound() {
    let mut walk = BoxWalk::new(Limits::default());
    walk.feed(&boxed(b"ftyp", b"isom")).unwrap();
    walk.feed(&[0, 0, 0, 99]).unwrap();
    assert!(walk.is_sound());
    let mut inside = BoxWalk { header: Vec::new(), ..walk.clone() };
    inside.inside = Some(Inside { kind: FourCc(*b"mdat"), start: 0, end: Some(99) });
    assert!(inside.is_sound());
    let ends = |end| Some(Inside { kind: FourCc(*b"mdat"), start: 0, end: Some(end) });
    for unsound in [
        BoxWalk { offset: u64::MAX, ..walk.clone() },
        BoxWalk { header: vec![0; 15], ..walk.clone() },
        BoxWalk { header: vec![0, 0, 0, 9, b'f', b'r', b'e', b'e'], ..walk.clone() },
        BoxWalk { limits: Limits { moov_bytes: u64::MAX }, ..walk.clone() },
        BoxWalk { moov_at: Some(99..100), ..walk.clone() },
        BoxWalk { moov_at: Some(Range { start: 5, end: 4 }), ..walk.clone() },
        BoxWalk { inside: ends(3), ..inside.clone() },
        BoxWalk { inside: ends(99), ..walk.clone() },
    ] {
        assert!(!unsound.is_sound(), "{unsound:?}");
    }
}

#[test]
fn a_moov_over_the_limit_is_walked_over_and_not_kept() {
    let file = [boxed(b"ftyp", b"isom"), boxed(b"mdat", b"x"), boxed(b"moov", &[7; 5000])].concat();
    let mut walk = BoxWalk::new(Limits { moov_bytes: 4999 });
    for slice in file.chunks(100) {
        walk.feed(slice).unwrap();
        assert!(walk.moov.capacity() < 10_000);
    }
    assert_eq!(walk.finish(None).unwrap().moov, None);
    let mut claimed = vec![0, 0, 0, 1];
    claimed.extend(b"moov");
    claimed.extend((1_u64 << 63).to_be_bytes());
    let mut walk = BoxWalk::new(Limits::default());
    walk.feed(&[boxed(b"ftyp", b"isom"), claimed, vec![7; 100_000]].concat()).unwrap();
    assert_eq!(walk.moov.capacity(), 0);
    assert!(matches!(walk.finish(None), Err(Mp4Error::Truncated { .. })));
}

#[test]
fn impossible_sizes_are_refused() {
    let ftyp = boxed(b"ftyp", b"isom");
    let with = |tail: &[u8]| whole(&[&ftyp, tail].concat());
    assert!(matches!(with(b"\0\0\0\x07free"), Err(Mp4Error::BadSize { size: 7, .. })));
    let small = b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x0f";
    assert!(matches!(with(small), Err(Mp4Error::BadSize { size: 15, .. })));
    let huge = b"\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff";
    assert!(matches!(with(huge), Err(Mp4Error::BadSize { size: u64::MAX, .. })));
    let far = b"\0\0\0\x01mdat\x7f\xff\xff\xff\0\0\0\0";
    assert!(matches!(with(far), Err(Mp4Error::Truncated { .. })));
}

#[test]
fn sizes_of_64_bits_and_none_at_all_are_read() {
    // A track that cannot be read does not describe any samples.
    let track = boxed(b"trak", b"");
    let (ftyp, moov) = (boxed(b"ftyp", b"isom"), boxed(b"moov", &track));
    let long = [b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x14".as_slice(), b"data"].concat();
    let file = [ftyp.clone(), long, moov.clone()].concat();
    assert_eq!(whole(&file).unwrap().moov.as_deref(), Some(track.as_slice()));

    let open = [ftyp, moov, b"\0\0\0\0mdatdata".to_vec()].concat();
    let offset = 28;
    let kind = FourCc(*b"mdat");
    assert_eq!(whole(&open), Err(Mp4Error::Unbounded { kind, offset }));
    assert!(walk(&open, 3, Some(open.len() as u64)).is_ok());
    let (announced, total) = (open.len() as u64 + 1, open.len() as u64);
    assert_eq!(walk(&open, 3, Some(announced)), Err(Mp4Error::Length { announced, total }));
}

#[test]
fn a_file_without_moov_or_media_is_not_whole() {
    let (ftyp, moov) = (boxed(b"ftyp", b"isom"), boxed(b"moov", b"12345678"));
    let mdat = boxed(b"mdat", b"data");
    assert_eq!(whole(&[ftyp.clone(), mdat].concat()), Err(Mp4Error::NoMoov));
    let empty = boxed(b"mdat", b"");
    assert_eq!(whole(&[ftyp, moov, empty].concat()), Err(Mp4Error::NoMedia));
}

#[test]
fn a_moov_beyond_the_limit_is_walked_over_and_not_kept() {
    let mut walk = BoxWalk::new(Limits { moov_bytes: 10 });
    walk.feed(FASTSTART).unwrap();
    assert_eq!(walk.moov.capacity(), 0);
    let structure = walk.finish(None).unwrap();
    assert_eq!(structure.moov, None);
    assert_eq!(structure.moov_at, whole(FASTSTART).unwrap().moov_at);
}

#[test]
fn a_failed_walk_fails_again() {
    let mut walk = BoxWalk::new(Limits::default());
    let error = walk.feed(b"<html> and more").unwrap_err();
    assert_eq!(walk.feed(FASTSTART), Err(error));
    assert!(walk.finish(None).is_err());
}

proptest! {
    #[test]
    fn the_cutting_makes_no_difference(step in 1_usize..9000, which in 0_usize..3) {
        let file = [FASTSTART, AT_END, FRAGMENTED][which];
        prop_assert_eq!(walk(file, step, None), whole(file));
    }

    #[test]
    fn any_bytes_give_one_answer_however_they_are_cut(
        kinds in proptest::collection::vec((0_usize..8, proptest::collection::vec(0_u8.., 0..40)), 0..6),
        cut in 0_usize..50,
        step in 1_usize..20,
    ) {
        let names = [b"ftyp", b"moov", b"mdat", b"free", b"moof", b"\0\0\0\0", b"uuid", b"<htm"];
        let mut file: Vec<u8> =
            kinds.iter().flat_map(|(kind, payload)| boxed(names[*kind], payload)).collect();
        file.truncate(file.len().saturating_sub(cut));
        prop_assert_eq!(walk(&file, step, None), whole(&file));
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in proptest::collection::vec(0_u8.., 0..200), step in 1_usize..30) {
        let file = [boxed(b"ftyp", b"isom"), bytes].concat();
        prop_assert_eq!(walk(&file, step, Some(7)), walk(&file, file.len(), Some(7)));
        prop_assert!(walk(&file, step, Some(7)).is_err());
    }

    #[test]
    fn a_stored_walk_goes_on_where_it_stopped(at in 0_usize..8000) {
        let mut walk = BoxWalk::new(Limits::default());
        walk.feed(&FASTSTART[..at]).unwrap();
        let stored = serde_json::to_string(&walk).unwrap();
        prop_assert!(stored.len() < 500, "{}", stored);
        let mut walk: BoxWalk = serde_json::from_str(&stored).unwrap();
        walk.feed(&FASTSTART[at..]).unwrap();
        let expected = whole(FASTSTART).unwrap();
        let resumed = walk.finish(None).unwrap();
        let kept = (at as u64) <= expected.moov_at.start;
        prop_assert_eq!(&resumed.moov, if kept { &expected.moov } else { &None });
        prop_assert_eq!(resumed.moov_at, expected.moov_at);
    }
}
