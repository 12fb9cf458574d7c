use bytes::Bytes;

use super::*;
use crate::media::mp4::{BoxWalk, Limits, facts};

mod times;

const FASTSTART: &[u8] = include_bytes!("../../tests/it/fixtures/media/faststart.mp4");
const AT_END: &[u8] = include_bytes!("../../tests/it/fixtures/media/moov-at-end.mp4");
const OTHER: &[u8] = include_bytes!("../../tests/it/fixtures/media/other-config.mp4");
const FRAGMENTED: &[u8] = include_bytes!("../../tests/it/fixtures/media/fragmented.mp4");
const HEVC: &[u8] = include_bytes!("../../tests/it/fixtures/media/hevc.mp4");

fn read(number: u64, file: &[u8]) -> Result<Segment, Flaw> {
    let mut around = Around::new(file.len() as u64);
    while let Some(wanted) = around.wants() {
        around.take(&file[wanted.start as usize..wanted.end as usize])?;
    }
    let payload = around.payload()?;
    let before = Bytes::copy_from_slice(&file[..payload.start as usize]);
    let after = Bytes::copy_from_slice(&file[payload.end as usize..]);
    Segment::read(number, &before, payload, &after)
}

fn join(files: &[&[u8]]) -> Result<(Film, Vec<u8>), Refusal> {
    let segments = (1..)
        .zip(files)
        .map(|(number, file)| read(number, file).map_err(|flaw| Refusal { segment: number, flaw }));
    let film = film(&segments.collect::<Result<Vec<_>, _>>()?)?;
    let mut bytes = film.head.clone();
    for (file, payload) in files.iter().zip(&film.payloads) {
        bytes.extend(&file[payload.start as usize..payload.end as usize]);
    }
    assert_eq!(bytes.len() as u64, film.bytes());
    Ok((film, bytes))
}

/// The bytes of all samples of a track, in order.
fn samples(file: &[u8], track: usize) -> Vec<&[u8]> {
    let segment = read(1, file).unwrap();
    let track = &segment.tracks()[track];
    let mut sample = 0;
    let mut found = Vec::new();
    let ends = track.chunks.runs().skip(1).map(|(first, _)| first).chain([track.chunks.count()]);
    for ((first, in_chunk), end) in track.chunks.runs().zip(ends) {
        for chunk in first..end {
            let mut at = track.chunks.offset(chunk).unwrap() as usize;
            for _ in 0..in_chunk {
                let size = track.sizes.of(sample).unwrap() as usize;
                found.push(&file[at..at + size]);
                at += size;
                sample += 1;
            }
        }
    }
    found
}

#[test]
fn a_film_has_the_samples_of_its_segments_in_order() {
    let files = [FASTSTART, AT_END, FASTSTART];
    let (film, bytes) = join(&files).unwrap();
    for track in 0..2 {
        let all: Vec<_> = files.iter().flat_map(|file| samples(file, track)).collect();
        assert_eq!(samples(&bytes, track), all, "track {track}");
    }
    let mut walk = BoxWalk::new(Limits::default());
    walk.feed(&bytes).unwrap();
    let structure = walk.finish(Some(bytes.len() as u64)).unwrap();
    assert!(structure.faststart && structure.oddity.is_none());
    assert_eq!(structure.check(structure.moov.as_deref()), Ok(None));
    let media = facts(structure.moov.as_deref().unwrap(), &structure).unwrap();
    let alone = read(1, FASTSTART).unwrap();
    assert_eq!(media.codecs.as_deref(), Some("avc1.64000a,mp4a.40.2"));
    assert!(media.told.is_none(), "{media:?}");
    assert!(media.duration_ms.abs_diff(film.duration_ms) <= 25, "{media:?}");
    assert_eq!((film.head.len() as u64, alone.tracks().len()), (LEAST_HEAD, 2));
}

#[test]
fn a_segment_begins_when_the_longest_track_before_it_has_ended() {
    let track = |file| {
        read(1, file)
            .unwrap()
            .tracks()
            .iter()
            .map(|t| (t.times.duration, t.timescale))
            .collect::<Vec<_>>()
    };
    let longest = |file| {
        let ends = track(file).into_iter().map(|(ticks, scale)| ticks as f64 / f64::from(scale));
        ends.fold(0.0, f64::max)
    };
    let files: Vec<&[u8]> = std::iter::repeat_n([FASTSTART, AT_END], 50).flatten().collect();
    let (film, bytes) = join(&files).unwrap();
    let mut at = 0.0;
    for (file, begins_ms) in files.iter().zip(&film.begins_ms) {
        let exact: f64 = at * 1000.0;
        assert!((*begins_ms as f64 - exact).abs() < 0.501, "{begins_ms} {exact}");
        at += longest(*file);
    }
    // No track drifts from the others, however many segments there are.
    let ends = track(&bytes).into_iter().map(|(ticks, scale)| ticks as f64 / f64::from(scale));
    assert!(
        ends.clone().all(|end| end <= at + 0.001 && end > at - 0.1),
        "{:?} {at}",
        ends.collect::<Vec<_>>()
    );
}

#[test]
fn a_film_of_one_segment_plays_as_long_as_it() {
    let (film, bytes) = join(&[AT_END]).unwrap();
    assert_eq!((film.begins_ms, film.duration_ms), (vec![0], 1000));
    assert_eq!(samples(&bytes, 0), samples(AT_END, 0));
}

#[test]
fn what_differs_is_named_with_the_segment_and_the_track() {
    let refusal = |files: &[&[u8]]| join(files).unwrap_err().to_string();
    let said = "segment 3: the time scale of track 1 differs from that of the first segment";
    assert_eq!(refusal(&[FASTSTART, AT_END, OTHER]), said);
    let said = "segment 2: the number of its tracks, 1, differs from that of the first segment, 2";
    assert_eq!(refusal(&[FASTSTART, HEVC]), said);
    assert_eq!(
        refusal(&[FASTSTART, FRAGMENTED]),
        "segment 2: its media data is in fragments (moof)"
    );
    assert_eq!(refusal(&[]), "segment 1: it has no media data");
    assert_eq!(refusal(&[b"<html>"]), "segment 1: it has no media data");
}

/// A copy of a file with other bytes in the `nth` box of type `kind`, from offset `at` of its body on.
fn with(file: &[u8], (kind, nth): (&[u8; 4], usize), at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    let boxes = file.windows(4).enumerate().filter(|(_, four)| four == kind);
    let body = boxes.map(|(at, _)| at + 4).nth(nth).unwrap();
    file[body + at..body + at + bytes.len()].copy_from_slice(bytes);
    file
}

#[test]
fn decoder_settings_must_be_equal_and_bit_rates_need_not() {
    let second = |kind: &[u8; 4], nth, at, bytes: &[u8]| {
        let changed = with(FASTSTART, (kind, nth), at, bytes);
        join(&[FASTSTART, &changed]).map(drop).map_err(|refusal| refusal.flaw.to_string())
    };
    let differs = |track, field| {
        Err(format!("the {field} of track {track} differs from that of the first segment"))
    };
    assert_eq!(second(b"avcC", 0, 3, &[99]), differs(1, "avcC"));
    assert_eq!(second(b"avc1", 1, 24, &[9, 9]), differs(1, "width or height"));
    assert_eq!(second(b"tkhd", 0, 40, &[9, 9]), differs(1, "rotation"));
    let said = "the rotation of all its tracks (mvhd) differs from that of the first segment";
    assert_eq!(second(b"mvhd", 0, 36, &[0, 0]), Err(said.to_owned()));
    assert_eq!(second(b"mdhd", 1, 20, &[9, 9]), Ok(()), "the language of the only sound");
    assert_eq!(second(b"mdhd", 1, 12, &[0, 0, 9, 9]), differs(2, "time scale"));
    assert_eq!(second(b"avc1", 1, 42, b"\x07encoder"), Ok(()), "the name of a program");
    assert_eq!(second(b"btrt", 0, 4, &[1, 2, 3, 4]), Ok(()));
    let esds = FASTSTART.windows(4).position(|four| four == b"esds").unwrap() + 4;
    let config = FASTSTART[esds..].windows(2).position(|two| two == [0x40, 0x15]).unwrap();
    assert_eq!(second(b"esds", 0, config + 2, &[17; 11]), Ok(()), "bit rates");
    let specific =
        FASTSTART[esds + config..].windows(4).position(|tag| tag == [0x80, 0x80, 0x80, 5]);
    let specific = config + specific.unwrap() + 4;
    assert_eq!(second(b"esds", 0, specific, &[0x0a]), differs(2, "AudioSpecificConfig"));
}

#[test]
fn tables_that_lie_are_refused() {
    let refused = |kind: &[u8; 4], nth, at, word: u32| {
        let changed = with(FASTSTART, (kind, nth), at, &word.to_be_bytes());
        read(1, &changed).map(drop).unwrap_err().to_string()
    };
    let outside = "track 1 has samples outside the media data (stco, stsz)";
    assert_eq!(refused(b"stco", 0, 8, 40), outside, "before it");
    assert_eq!(refused(b"stco", 0, 8, u32::MAX), outside, "after it");
    assert_eq!(refused(b"stsz", 0, 12, u32::MAX), outside, "a sample that is too large");
    assert_eq!(refused(b"stts", 0, 8, 24), "track 1 has tables that disagree: stts and stsz");
    assert_eq!(
        refused(b"ctts", 0, 12, u32::MAX >> 1),
        "track 1 has samples at impossible times (stts, ctts)"
    );
    assert_eq!(refused(b"ctts", 0, 8, 2), "track 1 has tables that disagree: ctts and stsz");
    assert_eq!(refused(b"stsz", 0, 8, 24), "track 1 has tables that disagree: stts and stsz");
    let cut = "track 1 has a table of sizes (stsz) that is cut off";
    assert_eq!(refused(b"stsz", 0, 8, u32::MAX), cut);
    let same = with(FASTSTART, (b"stsz", 0), 4, &[0, 0, 0, 1, 255, 255, 255, 255]);
    assert_eq!(read(1, &same).unwrap_err(), Flaw::TooMuch("samples"));
    assert_eq!(refused(b"stsz", 0, 8, 0), "track 1 has no samples");
    assert_eq!(refused(b"stsc", 0, 8, 2), "track 1 has chunks in no order (stsc)");
    assert_eq!(refused(b"stsc", 0, 12, 0), "track 1 has chunks in no order (stsc)");
    assert_eq!(
        refused(b"stsc", 0, 16, 2),
        "track 1 uses a sample entry that it does not have (stsc)"
    );
    assert_eq!(refused(b"stsc", 0, 4, u32::MAX), "it has no readable stsc box");
    assert_eq!(refused(b"stsd", 0, 4, 2), "track 1 has not exactly one sample entry (stsd)");
    assert_eq!(refused(b"url ", 0, 0, 0), "track 1 has samples in another file (dref)");
    assert_eq!(refused(b"mvhd", 0, 12, 0), "it has no readable mvhd box");
    assert_eq!(refused(b"mdhd", 0, 12, 0), "it has no readable mdhd box");
}

#[test]
fn no_segment_is_joined_whose_first_or_last_pictures_its_edit_list_hides() {
    let cut = with(FASTSTART, (b"elst", 0), 12, &5000_u32.to_be_bytes());
    assert!(join(&[&cut, FASTSTART]).is_ok(), "the film is cut as the segment is");
    let said = "segment 2: track 1 begins with samples that it does not show";
    assert_eq!(join(&[FASTSTART, &cut]).unwrap_err().to_string(), said);
    let said = "segment 1: track 1 ends with samples that it does not show";
    let trimmed = with(FASTSTART, (b"elst", 0), 8, &500_u32.to_be_bytes());
    assert_eq!(join(&[&trimmed, FASTSTART]).unwrap_err().to_string(), said);
}

#[test]
fn the_media_data_is_found_among_other_boxes() {
    let around = |file: &[u8]| {
        let mut around = Around::new(file.len() as u64);
        while let Some(wanted) = around.wants() {
            around.take(&file[wanted.start as usize..wanted.end as usize])?;
        }
        around.payload()
    };
    let file =
        |tail: &[u8]| [b"\0\0\0\x0cfreexxxx\0\0\0\x0amdatxx\0\0\0\x0bmdatyyy", tail].concat();
    assert_eq!(around(&file(b"")), Ok(20..33), "from the first to the last");
    assert_eq!(around(&file(b"\0\0\0\x09free!garbage")), Ok(20..33));
    assert_eq!(
        around(&file(b"\0\0\0\0mdatzz")),
        Ok(20..43),
        "one without a size ends with the file"
    );
    assert_eq!(around(&file(b"\0\0\0\x7fmdatzz")), Ok(20..43), "and so does one that claims more");
    assert_eq!(around(&file(b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x12zz")), Ok(20..51));
    assert_eq!(around(&file(b"\0\0\0\x08moof")), Err(Flaw::Fragmented));
    assert_eq!(around(&b"\0\0\0\x08free".repeat(300)), Err(Flaw::TooMuch("boxes")));
}

proptest::proptest! {
    #[test]
    fn no_tables_are_too_broken_to_be_refused(
        changes in proptest::collection::vec((0_usize..4000, 0_u8..), 1..8),
        words in proptest::collection::vec((0_usize..1000, 0_u32..), 0..3),
    ) {
        let mut file = AT_END.to_vec();
        let moov = file.windows(4).position(|four| four == b"moov").unwrap();
        for (at, byte) in changes {
            let at = moov + at % (file.len() - moov);
            file[at] = byte;
        }
        for (at, word) in words {
            let at = moov + (at * 4) % (file.len() - moov - 4);
            file[at..at + 4].copy_from_slice(&word.to_be_bytes());
        }
        // It only has to return, and what it returns can be read again.
        if let Ok((film, bytes)) = join(&[&file, &file]) {
            let again = read(1, &bytes);
            proptest::prop_assert!(again.is_ok(), "{:?} {:?}", again.err(), film.duration_ms);
        }
    }
}
