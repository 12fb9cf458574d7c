//! Films with odd ends, which play everywhere, and films that only look whole.

use bytes::Bytes;

use super::super::check::{Row, SMALL, acted};
use super::super::expect::{Expect, SAVED, rejected};
use crate::pipeline::world::World;

const FIRST: &[u8] = include_bytes!("../../../../src/sandbox/media/portrait.mp4");
const LAST: &[u8] = include_bytes!("../../../../src/sandbox/media/portrait-moov-last.mp4");

/// More than a part.
const PART: usize = 6 << 20;

pub fn rows() -> Vec<Row> {
    odd().into_iter().chain(misplaced()).chain(cut()).collect()
}

/// A row whose film is this until it is over.
fn row(name: &str, film: Vec<u8>, expect: Expect) -> Row {
    let film = Bytes::from(film);
    let served = film.clone();
    let strike = move |world: &World| {
        world.change(2, |room| room.replays[0].film = Some(served.clone()));
    };
    let heal = |world: &World| world.change(2, |room| room.replays[0].film = None);
    let row = acted(name, SMALL, strike, expect);
    if expect.exit == 0 { row } else { Row { heal: Box::new(heal), ..row } }
}

/// A row whose film is archived as it is, with a note of what is odd about it.
fn noted(name: &str, film: Vec<u8>, note: &'static str) -> Row {
    let after = move |world: &World| {
        let manifest = world.bucket().manifest(2);
        let found = manifest["segments"][0]["media"]["note"].as_str().unwrap_or_default();
        assert!(found.contains(note), "{found:?}");
    };
    Row { after: Box::new(after), ..row(name, film, SAVED) }
}

fn boxed(kind: &[u8; 4], bytes: usize) -> Vec<u8> {
    let size = u32::try_from(bytes + 8).unwrap();
    [size.to_be_bytes().as_slice(), kind, &vec![0; bytes]].concat()
}

/// Where the box of this type begins.
fn start(film: &[u8], kind: &[u8; 4]) -> usize {
    film.windows(4).position(|four| four == kind).unwrap() - 4
}

/// The film with other bytes in its box of this type, from `at` of its payload on.
fn put(film: &[u8], kind: &[u8; 4], at: usize, word: u32) -> Vec<u8> {
    let (at, mut film) = (start(film, kind) + 8 + at, film.to_vec());
    film[at..at + 4].copy_from_slice(&word.to_be_bytes());
    film
}

/// The film with media that reaches to the end of the file, wherever that is.
fn to_end(film: &[u8]) -> Vec<u8> {
    let (at, mut film) = (start(film, b"mdat"), film.to_vec());
    film[at..at + 4].fill(0);
    film
}

/// The film with its index last and as large as this, and so much before it that players skip.
fn grown(index: usize, filler: usize) -> Vec<u8> {
    let moov = start(LAST, b"moov");
    let length = u32::try_from(LAST.len() - moov + 8 + index).unwrap();
    let head = [length.to_be_bytes().as_slice(), &LAST[moov + 4..]].concat();
    [&LAST[..moov], &boxed(b"free", filler), &head, &boxed(b"free", index)].concat()
}

fn odd() -> Vec<Row> {
    let with = |tail: &[u8]| [FIRST, tail].concat();
    let (junk, no_box) = (|bytes| vec![0xa5; bytes], "bytes that are no box follow the last one");
    let id3 = [&b"ID3\x04\0\0\0\0\0\x0a"[..], &[7; 90]].concat();
    let to_end = to_end(FIRST);
    let overlong = [&0x10_0000_u32.to_be_bytes(), &b"free"[..], &[0; 50]].concat();
    vec![
        noted("bytes after the last box", with(&junk(1000)), no_box),
        noted("more than a part of them", with(&junk(PART)), no_box),
        noted("a few bytes after the last box", with(&[0; 5]), no_box),
        noted("zeros after the last box", with(&[0; 4096]), no_box),
        noted("an ID3 tag after the last box", with(&id3), no_box),
        noted("a last box that is said to be longer", with(&overlong), "is said to reach to"),
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

/// Films whose tables are wrong in one place: the rest plays.
fn misplaced() -> Vec<Row> {
    let one_chunk = |film: &[u8]| put(film, b"stco", 8, 0x7fff_0000);
    let note = "of samples beyond its end";
    vec![
        noted("a chunk beyond the end", one_chunk(FIRST), note),
        noted(
            "a film of several parts with a chunk beyond its end",
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
    let beyond = rejected("truncated: its samples reach to");
    vec![
        row("half of a film, its media to the end of the file", half.clone(), beyond),
        row("eight bytes of media", eight, beyond),
        row("samples of absurd size", put(FIRST, b"stsz", 12, 0x7fff_0000), beyond),
        row("a cut film", FIRST[..FIRST.len() - 3000].to_vec(), beyond),
        row("half a film and a page", [&FIRST[..FIRST.len() / 2], b"<html>"].concat(), beyond),
    ]
}
