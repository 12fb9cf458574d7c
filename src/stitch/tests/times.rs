//! When the samples of a film are shown, from tables that real programs write and the fixtures do not have.

use super::super::fuzzing::{Samples, segment as described};
use super::*;

/// The boxes of a segment that its tracks have (see [`described`]).
const EDITS: u8 = 16;
const OFFSETS: u8 = 32;

/// Samples with these durations, and shown this much later than decoded, in runs.
fn samples_of(deltas: &[(u32, u32)], offsets: &[(u32, u32)]) -> Samples {
    let count = deltas.iter().map(|(count, _)| *count).sum();
    Samples {
        sizes: vec![1; count as usize],
        chunks: vec![count],
        deltas: deltas.to_vec(),
        offsets: offsets.to_vec(),
        keyframes: vec![1],
    }
}

/// The `moov` of a segment: pictures in 90,000 ticks, then sound in 48,000, in a movie of 600.
fn moov(tracks: &[Samples], has: u8, edit: [u32; 2]) -> Vec<u8> {
    described(tracks, (has, 0), edit).0
}

/// The segment of a `moov`.
fn read_moov(number: u64, moov: &[u8]) -> Result<Segment, Flaw> {
    let before = Bytes::copy_from_slice(moov);
    let begin = before.len() as u64;
    Segment::read(number, &before, begin..begin + 1000, &Bytes::new())
}

/// The film of such segments, and what its own tables say.
fn film_of(moovs: &[Vec<u8>]) -> Result<(Film, Segment), Refusal> {
    let segments = (1..).zip(moovs).map(|(number, moov)| read_moov(number, moov).unwrap());
    let film = film(&segments.collect::<Vec<_>>())?;
    let begin = film.head.len() as u64;
    let head = Bytes::copy_from_slice(&film.head);
    let joined = Segment::read(1, &head, begin..film.bytes(), &Bytes::new()).unwrap();
    Ok((film, joined))
}

/// When each picture of the film is shown, in milliseconds, in the order of decoding, and when the last one ends.
fn pictures(joined: &Segment) -> (Vec<i64>, i64) {
    let track = &joined.tracks()[0];
    let all = |table: &crate::media::mp4::samples::table::Table| {
        let runs = super::super::tables::runs(table);
        runs.flat_map(|(count, value)| std::iter::repeat_n(value, count as usize))
            .collect::<Vec<_>>()
    };
    let deltas = all(&track.stts);
    let offsets = track.ctts.as_ref().map_or(vec![0; deltas.len()], all);
    let empty = track.edits.empty * 90_000 / u64::from(joined.movie_timescale());
    let shift = i64::try_from(empty).unwrap() - i64::try_from(track.edits.media_time).unwrap();
    let mut at = 0;
    let times = deltas.iter().zip(offsets).map(|(delta, offset)| {
        let shown = at + i64::from(offset.cast_signed()) + shift;
        at += i64::from(*delta);
        shown / 90
    });
    (times.collect(), (track.times.shown.end + shift) / 90)
}

/// Four pictures of which the first is shown at 0 ms, the last one from 600 to 700, and two in between, at 100 and 500:
/// by its duration, the latter would be shown until 800.
fn uneven() -> Samples {
    let offsets = [(1, 18_000), (1, 63_000), (1, 9_000), (1, 36_000)];
    samples_of(&[(3, 9_000), (1, 27_000)], &offsets)
}

#[test]
fn durations_that_reach_beyond_the_picture_shown_last_hide_nothing() {
    let ends = |units: u32| {
        let moov = moov(&[uneven()], EDITS | OFFSETS, [0, 18_000]);
        with(&moov, (b"elst", 0), 20, &units.to_be_bytes())
    };
    let track = |moov: &[u8]| read_moov(1, moov).unwrap().tracks()[0].times.clone();
    assert_eq!(track(&ends(420)).shown, 18_000..81_000);
    let (film, joined) = film_of(&[ends(420), ends(420)]).unwrap();
    assert_eq!((film.begins_ms, film.duration_ms), (vec![0, 700], 1400));
    assert_eq!(pictures(&joined), (vec![0, 600, 100, 500, 700, 1300, 800, 1200], 1400));
    // A part of the last one is shown, if only for a moment.
    assert!(film_of(&[ends(361), ends(390)]).is_ok());
    let said = "segment 2: track 1 ends with samples that it does not show";
    assert_eq!(film_of(&[ends(420), ends(360)]).unwrap_err().to_string(), said);
}

#[test]
fn a_segment_whose_tracks_all_begin_late_begins_in_the_film_where_it_is_seen() {
    let late = |units: u32| {
        let tracks = [samples_of(&[(10, 9_000)], &[]), samples_of(&[(48, 1_024)], &[])];
        let moov = moov(&tracks, EDITS, [units, 0]);
        assert_eq!(read_moov(1, &moov).unwrap().tracks().len(), 2);
        moov
    };
    let begins = |delays: [u32; 3]| film_of(&delays.map(late)).unwrap().0;
    // Sound lasts 1024 ms.
    assert_eq!(begins([0, 0, 0]).begins_ms, [0, 1024, 2048]);
    let film = begins([0, 1200, 2400]);
    assert_eq!(film.begins_ms, [0, 2000, 4000], "as each says of itself");
    assert_eq!(film.duration_ms, 5024);
    let film = begins([1200, 600, 0]);
    assert_eq!((film.begins_ms, film.duration_ms), (vec![2000, 3024, 4048], 5072));
    // Sound that begins with silence that is cut begins no earlier than the segment.
    let tracks = || [samples_of(&[(10, 9_000)], &[]), samples_of(&[(48, 1_024)], &[])];
    let primed = moov(&tracks(), EDITS, [0, 0]);
    let primed = with(&primed, (b"elst", 1), 24, &1_024_u32.to_be_bytes());
    assert_eq!(film_of(&[primed.clone(), primed]).unwrap().0.begins_ms[0], 0);
}

#[test]
fn a_last_picture_without_a_duration_is_shown_as_long_as_the_one_before_it() {
    let pictures_of = |deltas: &[(u32, u32)]| moov(&[samples_of(deltas, &[])], 0, [0, 0]);
    let plain = pictures_of(&[(2, 9_000), (1, 0)]);
    let (film, joined) = film_of(&[plain.clone(), plain.clone(), plain.clone()]).unwrap();
    assert_eq!((&film.begins_ms[..], film.duration_ms), (&[0, 300, 600][..], 900));
    assert_eq!(pictures(&joined), (vec![0, 100, 200, 300, 400, 500, 600, 700, 800], 900));
    let track = &joined.tracks()[0];
    assert_eq!((track.times.duration, track.times.supplied), (81_000, 0), "the film says it");
    let mdhd = film.head.windows(4).position(|four| four == b"mdhd").unwrap() + 4;
    assert_eq!(film.head[mdhd + 16..mdhd + 20], 81_000_u32.to_be_bytes(), "also in its header");
    // A list that was written by the same tables ends where the last picture begins.
    let listed = moov(&[samples_of(&[(2, 9_000), (1, 0)], &[])], EDITS, [0, 0]);
    let listed = with(&listed, (b"elst", 0), 20, &120_u32.to_be_bytes());
    assert_eq!(film_of(&[listed.clone(), listed]).unwrap().0.duration_ms, 600);
    // Also where another one is shown last.
    let offsets = [(1, 9_000), (1, 18_000), (1, 0)];
    let ordered = moov(&[samples_of(&[(2, 9_000), (1, 0)], &offsets)], OFFSETS | EDITS, [0, 9_000]);
    let ordered = with(&ordered, (b"elst", 0), 20, &120_u32.to_be_bytes());
    let (_, joined) = film_of(&[ordered.clone(), ordered]).unwrap();
    assert_eq!(pictures(&joined).0, [0, 200, 100, 300, 500, 400]);
}

#[test]
fn a_single_picture_without_a_duration_is_shown_as_long_as_its_header_says_or_for_a_moment() {
    let one = moov(&[samples_of(&[(1, 0)], &[])], 0, [0, 0]);
    let told = with(&one, (b"mdhd", 0), 16, &4_500_u32.to_be_bytes());
    let (film, _) = film_of(&[told.clone(), told]).unwrap();
    assert_eq!((film.begins_ms, film.duration_ms), (vec![0, 50], 100));
    let unknown = with(&one, (b"mdhd", 0), 16, &[255; 4]);
    for moov in [one, unknown] {
        let (_, joined) = film_of(&[moov.clone(), moov]).unwrap();
        assert_eq!(joined.tracks()[0].times.duration, 2, "a tick each");
    }
    let moov = moov(&[samples_of(&[(3, 0)], &[])], 0, [0, 0]);
    let said = "track 1 has samples at impossible times (stts, ctts)";
    assert_eq!(read_moov(1, &moov).unwrap_err().to_string(), said, "several at once are no film");
}

#[test]
fn where_no_list_says_when_pictures_begin_and_they_wait_at_a_joint_a_list_begins_with_the_first() {
    // Pictures last 300 ms from 100.1 on, and sound 1024.
    let tracks = || {
        let offsets = [(1, 9_009), (1, 18_009), (1, 9)];
        [samples_of(&[(3, 9_000)], &offsets), samples_of(&[(48, 1_024)], &[(48, 0)])]
    };
    let plain = moov(&tracks(), OFFSETS, [0, 0]);
    let (film, joined) = film_of(&[plain.clone(), plain]).unwrap();
    let track = &joined.tracks()[0];
    assert!(track.edits.is_there, "all are shown later than their offsets say");
    let first = u64::try_from(track.times.shown.start).unwrap();
    assert_eq!(track.edits.media_time, first, "nothing is looked for before it");
    let scale = u64::from(joined.movie_timescale());
    assert_eq!(track.edits.empty * 90_000, 9_009 * scale, "and it is where it was, exactly");
    assert_eq!(joined.tracks()[1].edits.empty, 0, "sound begins at once");
    assert_eq!(pictures(&joined).0, [100, 300, 200, 1124, 1324, 1224]);
    assert_eq!(film.duration_ms, 2048);
    // A list that says when they begin stays.
    let listed = moov(&tracks(), OFFSETS | EDITS, [60, 9_009]);
    let listed = with(&listed, (b"elst", 1), 24, &[0; 4]);
    let (_, joined) = film_of(&[listed.clone(), listed]).unwrap();
    assert_eq!((joined.tracks()[0].edits.empty, joined.movie_timescale()), (60, 600));
}

#[test]
fn two_tracks_of_a_kind_are_told_apart_by_their_language() {
    let tracks = || [0; 3].map(|_| samples_of(&[(3, 9_000)], &[]));
    let three = moov(&tracks(), 0, [0, 0]);
    // German and English, in five bits a letter.
    let with_languages = |moov: &[u8], second: [u8; 2], third: [u8; 2]| {
        let moov = with(moov, (b"mdhd", 1), 20, &second);
        with(&moov, (b"mdhd", 2), 20, &third)
    };
    let (de, en) = ([0x10, 0xb5], [0x15, 0xc7]);
    let one = with_languages(&three, de, en);
    let other = with_languages(&three, en, de);
    assert!(film_of(&[one.clone(), other.clone()]).is_ok(), "of different kinds");
    let alike = |moov: &[u8]| with(moov, (b"hdlr", 1), 8, b"text");
    let said = "segment 2: the language of track 2 differs from that of the first segment";
    assert_eq!(film_of(&[alike(&one), alike(&other)]).unwrap_err().to_string(), said);
    assert!(film_of(&[alike(&one), alike(&one)]).is_ok());
}
