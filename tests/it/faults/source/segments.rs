//! Segments with odd ends, which play everywhere, and segments that only look whole.

use bytes::Bytes;

use super::super::check::{Row, SMALL, acted};
use super::super::expect::{Expect, SAVED, failed};
use crate::pipeline::world::World;

const FIRST: &[u8] = include_bytes!("../../../../src/sandbox/media/portrait.mp4");
const LAST: &[u8] = include_bytes!("../../../../src/sandbox/media/portrait-moov-last.mp4");

/// Four seconds in two fragments.
const FRAGMENTS: [&[u8]; 3] = [
    include_bytes!("../../fixtures/media/cmaf-init.mp4"),
    include_bytes!("../../fixtures/media/cmaf-0.m4s"),
    include_bytes!("../../fixtures/media/cmaf-1.m4s"),
];

/// More than a part.
const PART: usize = 6 << 20;

pub fn rows() -> Vec<Row> {
    odd().into_iter().chain(misplaced()).chain(cut()).chain(fragmented()).collect()
}

/// A row whose segment is this until it is over.
fn row(name: &str, file: Vec<u8>, expect: Expect) -> Row {
    let file = Bytes::from(file);
    let served = file.clone();
    let strike = move |world: &World| {
        world.change(2, |room| room.replays[0].mp4 = Some(served.clone()));
    };
    let heal = |world: &World| world.change(2, |room| room.replays[0].mp4 = None);
    let row = acted(name, SMALL, strike, expect);
    if expect.exit == 0 { row } else { Row { heal: Box::new(heal), ..row } }
}

/// A row whose segment is archived as it is, with a note of what is odd about it.
fn noted(name: &str, file: Vec<u8>, note: &'static str) -> Row {
    let after = move |world: &World| {
        let manifest = world.bucket().manifest(2);
        let found = manifest["segments"][0]["media"]["note"].as_str().unwrap_or_default();
        assert!(found.contains(note), "{found:?}");
    };
    Row { after: Box::new(after), ..row(name, file, SAVED) }
}

fn boxed(kind: &[u8; 4], bytes: usize) -> Vec<u8> {
    let size = u32::try_from(bytes + 8).unwrap();
    [size.to_be_bytes().as_slice(), kind, &vec![0; bytes]].concat()
}

/// Where the box of this type begins.
fn start(file: &[u8], kind: &[u8; 4]) -> usize {
    file.windows(4).position(|four| four == kind).unwrap() - 4
}

/// The segment with other bytes in its box of this type, from `at` of its payload on.
fn put(file: &[u8], kind: &[u8; 4], at: usize, word: u32) -> Vec<u8> {
    let (at, mut file) = (start(file, kind) + 8 + at, file.to_vec());
    file[at..at + 4].copy_from_slice(&word.to_be_bytes());
    file
}

/// The segment with media that reaches to the end of the file, wherever that is.
fn to_end(file: &[u8]) -> Vec<u8> {
    let (at, mut file) = (start(file, b"mdat"), file.to_vec());
    file[at..at + 4].fill(0);
    file
}

/// The segment with its index last and as large as this, and so much before it that players skip.
fn grown(index: usize, filler: usize) -> Vec<u8> {
    let moov = start(LAST, b"moov");
    let length = u32::try_from(LAST.len() - moov + 8 + index).unwrap();
    let head = [length.to_be_bytes().as_slice(), &LAST[moov + 4..]].concat();
    [&LAST[..moov], &boxed(b"free", filler), &head, &boxed(b"free", index)].concat()
}

fn odd() -> Vec<Row> {
    let with = |tail: &[u8]| [FIRST, tail].concat();
    let (junk, no_box) =
        (|bytes| vec![0xa5; bytes], "bytes that are not a box follow the last one");
    let id3 = [&b"ID3\x04\0\0\0\0\0\x0a"[..], &[7; 90]].concat();
    let to_end = to_end(FIRST);
    let overlong = [&0x10_0000_u32.to_be_bytes(), &b"free"[..], &[0; 50]].concat();
    vec![
        noted("bytes after the last box", with(&junk(1000)), no_box),
        noted("more than a part of them", with(&junk(PART)), no_box),
        noted("a few bytes after the last box", with(&[0; 5]), no_box),
        noted("zeros after the last box", with(&[0; 4096]), no_box),
        noted("an ID3 tag after the last box", with(&id3), no_box),
        noted("a last box that is said to be longer", with(&overlong), "claims to reach to"),
        noted("bytes after an index at the end", [LAST, &junk(99)].concat(), no_box),
        noted("bytes after a large index", [grown(2 << 20, 0), junk(99)].concat(), no_box),
        noted(
            "bytes after an index of two parts",
            [grown(2 << 20, PART), junk(99)].concat(),
            no_box,
        ),
        row("media to the end of the file", to_end, SAVED),
    ]
}

/// Segments whose tables are wrong in one place: the rest plays.
fn misplaced() -> Vec<Row> {
    let one_chunk = |file: &[u8]| put(file, b"stco", 8, 0x7fff_0000);
    let note = "of samples beyond its end";
    vec![
        noted("a chunk beyond the end", one_chunk(FIRST), note),
        noted(
            "a segment of several parts with a chunk beyond its end",
            one_chunk(&grown(9, PART)),
            note,
        ),
        noted("the same with a large index", one_chunk(&grown(2 << 20, PART)), note),
    ]
}

fn cut() -> Vec<Row> {
    let mdat = start(FIRST, b"mdat");
    let to_end = to_end(FIRST);
    let half = to_end[..(mdat + to_end.len()) / 2].to_vec();
    let eight = [&FIRST[..mdat], &boxed(b"mdat", 8)].concat();
    let beyond = failed("truncated: its samples reach to");
    vec![
        row("half of a segment, its media to the end of the file", half.clone(), beyond),
        row("eight bytes of media", eight, beyond),
        row("samples of absurd size", put(FIRST, b"stsz", 12, 0x7fff_0000), beyond),
        row("a cut segment", FIRST[..FIRST.len() - 3000].to_vec(), beyond),
        row("half a segment and a page", [&FIRST[..FIRST.len() / 2], b"<html>"].concat(), beyond),
    ]
}

/// A row whose segment is in fragments. Every sample is accounted for, and what is damaged is told with its
/// time, by these words if any.
fn in_fragments(name: &str, file: Vec<u8>, damage: &'static str) -> Row {
    let after = move |world: &World| {
        let manifest = world.bucket().manifest(2);
        let segment = &manifest["segments"][0];
        let evidence = segment["evidence"].as_array().unwrap();
        assert!(evidence.iter().any(|one| one == "samples"), "{segment:#}");
        let told = segment["damage"].as_array().cloned().unwrap_or_default();
        assert_eq!(told.is_empty(), damage.is_empty(), "{segment:#}");
        for place in &told {
            assert!(place["at_ms"].is_u64() && place["seen"] == 2, "{place}");
        }
        let is_told = |place: &serde_json::Value| place["what"].as_str().unwrap().contains(damage);
        assert!(told.is_empty() || told.iter().any(is_told), "{told:?}");
    };
    Row { after: Box::new(after), ..row(name, file, SAVED) }
}

fn fragmented() -> Vec<Row> {
    let sound = FRAGMENTS.concat();
    let with = |at: usize, bytes: &[u8]| {
        let mut file = sound.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    let media = start(&sound, b"mdat") + 8;
    let page = b"<html><head><title>404</title></head></html>\n".repeat(60);
    vec![
        in_fragments("a segment in fragments", sound.clone(), ""),
        in_fragments(
            "zeros in a fragment",
            with(media + 3000, &[0; 500]),
            "units of a video frame",
        ),
        in_fragments("a page over a fragment", with(FRAGMENTS[0].len(), &page), "no box begins"),
        in_fragments(
            "a sample of another size",
            put(&sound, b"trun", 12, 77),
            "the units of a video frame do not add up",
        ),
        noted(
            "a segment in fragments, and more",
            [&sound, &[7; 9][..]].concat(),
            "9 bytes that are not a box",
        ),
    ]
}
