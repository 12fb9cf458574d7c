//! Segments that are damaged: on the way, or at their source.

mod cut;
mod second_look;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use replay_archiver::config::Config;
use replay_archiver::pipeline::Selection;
use serde_json::Value;

use super::world::{Night, World};
use crate::bucket::text;
use crate::net::{Reply, Request, Server};

const FASTSTART: &[u8] = include_bytes!("../fixtures/media/faststart.mp4");
const AT_END: &[u8] = include_bytes!("../fixtures/media/moov-at-end.mp4");

/// More than one part of an upload.
const LARGE: usize = 6 << 20;

/// A segment with a `free` box of so many bytes before its last box, or after it.
fn padded(file: &[u8], bytes: usize) -> Vec<u8> {
    let moov = file.windows(4).position(|name| name == b"moov").unwrap() - 4;
    let mdat = file.windows(4).position(|name| name == b"mdat").unwrap() - 4;
    let at = if moov > mdat { moov } else { file.len() };
    let size = u32::try_from(bytes).unwrap().to_be_bytes();
    let free = [&size, b"free".as_slice(), &vec![7; bytes - 8]].concat();
    [&file[..at], &free, &file[at..]].concat()
}

/// The segment with zeros in place of the beginning of its first sample.
fn damaged(file: &[u8]) -> Vec<u8> {
    let mdat = file.windows(4).position(|name| name == b"mdat").unwrap() + 4;
    let mut file = file.to_vec();
    file[mdat..mdat + 64].fill(0);
    file
}

fn answer(request: &Request, file: &[u8]) -> Reply {
    let Some(range) = request.range() else { return Reply::new(200).body(file) };
    let end = range.end.min(file.len());
    let told = format!("bytes {}-{}/{}", range.start, end - 1, file.len());
    Reply::new(206)
        .header("Content-Range", &told)
        .header("ETag", "\"segment\"")
        .body(&file[range.start..end])
}

/// A world whose one segment a host serves by this script.
async fn world(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> (World, Server) {
    let host = Server::start(script).await;
    let scenario = format!(
        "[[account.room]]\nid = 1\nstart = \"-9d\"\n[[account.room.replay]]\n\
         media_url = \"http://{}/segment.mp4\"\n",
        host.authority()
    );
    let settings = format!(
        "[media]\nallow_hosts = [\"{}\"]\nread_timeout = \"4s\"\n[transfer]\npart_size = \"5MiB\"\n",
        host.authority()
    );
    (World::with_settings(&scenario, &settings).await, host)
}

/// The ranges that a host was asked for so far.
fn asked(host: &Server) -> Vec<String> {
    let asked = host.requests().into_iter();
    asked.map(|request| request.header("range").unwrap_or_default().to_owned()).collect()
}

/// One night with a segment that a host serves: to its first `times` requests as `first`, then as `then`.
async fn night(first: Vec<u8>, times: u64, then: Vec<u8>) -> (Night, Vec<String>) {
    let count = AtomicU64::new(0);
    let (world, host) = world(move |request| {
        let is_first = count.fetch_add(1, Ordering::Relaxed) < times;
        answer(request, if is_first { &first } else { &then })
    })
    .await;
    let night = world.night(&Selection::Due, |_| {}).await;
    (night, asked(&host))
}

fn segment(night: &Night) -> Value {
    night.says(1, "complete", &["archived"]);
    assert_eq!(night.exit, 0);
    night.bucket.manifest(1)["segments"][0].clone()
}

fn stored(night: &Night) -> Vec<u8> {
    let key = format!("live/wx1/rooms/1/{}", text(&segment(night)["key"]));
    night.bucket.objects[&key].to_vec()
}

fn is_evident(segment: &Value) -> bool {
    segment["evidence"].as_array().unwrap().contains(&"samples".into())
}

#[tokio::test]
async fn a_segment_that_comes_damaged_each_time_is_archived_as_it_is_and_told() {
    for file in [
        damaged(FASTSTART),
        damaged(AT_END),
        padded(&damaged(FASTSTART), LARGE),
        padded(&damaged(AT_END), LARGE),
    ] {
        let (night, _) = night(file.clone(), 0, file.clone()).await;
        let segment = segment(&night);
        assert!(stored(&night) == file, "not a byte is changed");
        let damage = segment["damage"].as_array().unwrap();
        let mdat = file.windows(4).position(|name| name == b"mdat").unwrap() + 4;
        assert_eq!(damage.len(), 1, "{damage:?}");
        assert_eq!((&damage[0]["offset"], &damage[0]["seen"]), (&mdat.into(), &2.into()));
        assert_eq!(damage[0]["at_ms"], 0);
        assert!(is_evident(&segment), "every sample was examined: {segment}");
    }
}

#[tokio::test]
async fn a_segment_that_came_damaged_once_is_archived_as_it_comes_then() {
    for file in [FASTSTART.to_vec(), padded(FASTSTART, LARGE), padded(AT_END, LARGE)] {
        let (night, _) = night(damaged(&file), 1, file.clone()).await;
        let segment = segment(&night);
        assert!(stored(&night) == file);
        assert_eq!(segment.get("damage"), None, "{segment}");
        assert!(is_evident(&segment));
    }
}

#[tokio::test]
async fn a_large_segment_is_examined_as_it_streams_by_wherever_its_tables_lie() {
    for file in [padded(FASTSTART, LARGE), padded(AT_END, LARGE)] {
        let (night, ranges) = night(file.clone(), 0, file.clone()).await;
        let segment = segment(&night);
        assert!(is_evident(&segment) && segment.get("damage").is_none(), "{segment}");
        let tail = ranges.iter().filter(|range| range.ends_with(&format!("-{}", file.len() - 1)));
        let is_last = file.windows(4).position(|name| name == b"moov").unwrap() > LARGE;
        assert_eq!(tail.count(), if is_last { 2 } else { 1 }, "{ranges:?}");
    }
}

#[tokio::test]
async fn damage_in_a_part_costs_that_part_again_and_not_the_segment() {
    let file = padded(&damaged(FASTSTART), LARGE);
    let (night, ranges) = night(file.clone(), 0, file).await;
    let parts = ranges.iter().filter(|range| range.starts_with("bytes=5242880-"));
    assert_eq!(parts.count(), 1, "the sound part comes once: {ranges:?}");
    assert_eq!(segment(&night)["damage"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_transfer_that_is_resumed_resumes_the_examination_of_its_samples() {
    for (file, is_sound) in [(FASTSTART.to_vec(), true), (damaged(AT_END), false)] {
        let file = padded(&file, 2 * LARGE);
        let is_down = Arc::new(AtomicBool::new(true));
        let (down, served) = (Arc::clone(&is_down), file.clone());
        let (world, host) = world(move |request| {
            let is_last =
                request.range().is_some_and(|range| (10 << 20..11 << 20).contains(&range.start));
            let fails = is_last && down.load(Ordering::Relaxed);
            if fails { Reply::new(500).body(b"") } else { answer(request, &served) }
        })
        .await;
        // One part after the other: the first is stored when the last one fails.
        let one_by_one = |config: &mut Config| {
            (config.work.ranges, config.work.memory) = (1, 6 << 20);
        };
        let first = world.night(&Selection::Due, one_by_one).await;
        assert_eq!(first.exit, 3);
        let before = asked(&host).len();
        is_down.store(false, Ordering::Relaxed);
        world.pass(24 * 60);
        let night = world.night(&Selection::Due, |_| {}).await;
        let segment = segment(&night);
        let first_part = |range: &&String| range.starts_with("bytes=0-5242879");
        let again = asked(&host)[before..].iter().filter(first_part).count();
        assert!(stored(&night) == file);
        assert_eq!(again, 0, "it is resumed: {:?}", asked(&host));
        assert!(is_evident(&segment), "{segment}");
        let damage = segment["damage"].as_array().map_or(0, Vec::len);
        assert_eq!(damage, usize::from(!is_sound), "{segment}");
    }
}

#[tokio::test]
async fn tables_that_do_not_fit_into_memory_leave_a_segment_unexamined_and_that_is_told() {
    // A `free` box at the end of the tables, which come last.
    let grown = |bytes: usize| {
        let moov = AT_END.windows(4).position(|name| name == b"moov").unwrap() - 4;
        let length = u32::try_from(AT_END.len() - moov + bytes).unwrap().to_be_bytes();
        let free = u32::try_from(bytes).unwrap().to_be_bytes();
        let filler = vec![0; bytes - 8];
        [&AT_END[..moov], &length, &AT_END[moov + 4..], &free, b"free", &filler].concat()
    };
    for (bytes, memory, why) in [
        (2 << 20, 64 << 20, None),
        (2 << 20, 6 << 20, Some("did not fit into the memory")),
        (17 << 20, 80 << 20, Some("too large")),
    ] {
        let file = padded(&grown(bytes), LARGE);
        let served = file.clone();
        let (world, _host) = world(move |request| answer(request, &served)).await;
        let night = world.night(&Selection::Due, |config| config.work.memory = memory).await;
        let segment = segment(&night);
        assert!(stored(&night) == file);
        let told = segment["unexamined"].as_str();
        assert_eq!(is_evident(&segment), why.is_none(), "{bytes} of {memory}: {told:?}");
        assert_eq!(told.is_some_and(|told| told.contains(why.unwrap_or("-"))), why.is_some());
    }
}
