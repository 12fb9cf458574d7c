//! What is asked for again of a segment that came damaged, and what becomes of the parts.

use std::ops::Range;
use std::sync::Mutex;

use super::*;

const PART: usize = 5 << 20;

/// A segment of two parts, the border between which lies so many bytes after the beginning of its samples.
fn across(border: usize) -> Vec<u8> {
    beginning_at(PART - border)
}

/// A segment whose samples begin there.
fn beginning_at(samples: usize) -> Vec<u8> {
    let box_at = |name: &[u8]| FASTSTART.windows(4).position(|four| four == name).unwrap() - 4;
    let mdat = box_at(b"mdat");
    let free = samples - mdat - 8;
    let mut head = FASTSTART[..mdat].to_vec();
    for (at, _) in FASTSTART[..mdat].windows(4).enumerate().filter(|(_, four)| *four == b"stco") {
        let word = |at: usize| u32::from_be_bytes(FASTSTART[at..at + 4].try_into().unwrap());
        for entry in 0..word(at + 8) as usize {
            let at = at + 12 + 4 * entry;
            let shifted = word(at) + u32::try_from(free).unwrap();
            head[at..at + 4].copy_from_slice(&shifted.to_be_bytes());
        }
    }
    let size = u32::try_from(free).unwrap().to_be_bytes();
    let filler = [&size, b"free".as_slice(), &vec![7; free - 8]].concat();
    [head.as_slice(), &filler, &FASTSTART[mdat..]].concat()
}

/// Where the samples begin.
fn samples(file: &[u8]) -> usize {
    file.windows(4).rposition(|name| name == b"mdat").unwrap() + 4
}

fn with(file: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

/// The length of the first unit, which then ends before the next begins: that shows where it ends.
fn short_unit(file: &[u8], by: u32) -> Vec<u8> {
    let at = samples(file);
    let length = u32::from_be_bytes(file[at..at + 4].try_into().unwrap());
    with(file, at, &(length - by).to_be_bytes())
}

/// A night in which the segment is damaged in those ranges that `is_ill` says, by what was asked for before.
async fn struck(
    sound: Vec<u8>,
    ill: Vec<u8>,
    is_ill: impl Fn(&Range<usize>, usize) -> bool + Send + Sync + 'static,
) -> (Night, Vec<Range<usize>>) {
    let before = Mutex::new(Vec::new());
    let (world, host) = world(move |request| {
        let Some(range) = request.range() else { return answer(request, &sound) };
        let mut before = before.lock().unwrap();
        let times = before.iter().filter(|one| **one == range).count();
        before.push(range.clone());
        answer(request, if is_ill(&range, times) { &ill } else { &sound })
    })
    .await;
    let night = world.night(&Selection::Due, |_| {}).await;
    (night, host.requests().iter().filter_map(Request::range).collect())
}

/// How often each part was sent to the store.
fn sent(night: &Night) -> [usize; 2] {
    [1, 2].map(|part| {
        let is_part = |query: &str| query.contains(&format!("partNumber={part}&"));
        night.store.iter().filter(|one| one.method == "PUT" && is_part(&one.query)).count()
    })
}

fn bytes(ranges: &[Range<usize>]) -> usize {
    ranges.iter().map(|range| range.end - range.start).sum()
}

fn assert_sound(night: &Night, file: &[u8]) {
    let segment = segment(night);
    assert!(stored(night) == file, "the sound bytes are archived");
    assert!(is_evident(&segment) && segment.get("damage").is_none(), "{segment}");
}

#[tokio::test]
async fn a_part_that_came_damaged_is_made_good_before_it_is_sent() {
    // Far from the border, so that nothing of the part before is in doubt.
    let file = beginning_at(PART + (2 << 20));
    let ill = with(&file, samples(&file) + 4000, &[0; 300]);
    let (night, ranges) =
        struck(file.clone(), ill, |range, times| range.start == PART && times == 0).await;
    assert_sound(&night, &file);
    assert_eq!(sent(&night), [1, 1], "no part is sent twice");
    assert_eq!(ranges.iter().filter(|range| range.start < PART).count(), 1, "{ranges:?}");
    let whole = file.len() - PART;
    assert!(bytes(&ranges) <= file.len() + whole, "the part alone comes again: {ranges:?}");
}

#[tokio::test]
async fn a_node_that_keeps_a_damaged_range_is_asked_for_other_ranges() {
    let file = across(0);
    let ill = with(&file, samples(&file) + 4000, &[0; 300]);
    let kept = PART..file.len();
    let (night, _) = struck(file.clone(), ill, move |range, _| *range == kept).await;
    assert_sound(&night, &file);
    assert_eq!(sent(&night), [1, 1]);
}

#[tokio::test]
async fn what_is_damaged_at_the_source_is_asked_for_once_more_and_no_more_than_that() {
    let file = with(&across(0), PART + 4000, &[0; 300]);
    let (night, ranges) = struck(file.clone(), file.clone(), |_, _| true).await;
    let segment = segment(&night);
    assert!(stored(&night) == file);
    let damage = segment["damage"].as_array().unwrap();
    assert_eq!((damage.len(), &damage[0]["seen"]), (1, &2.into()), "{damage:?}");
    assert_eq!(sent(&night), [1, 1]);
    let of_part = ranges.iter().filter(|range| range.start >= PART).count();
    assert!(of_part <= 3, "the part, and what is around the damage: {ranges:?}");
}

#[tokio::test]
async fn damage_that_shows_after_its_part_was_sent_costs_no_more_than_from_that_part_on() {
    // The first unit says that it ends within the second part, where no other begins.
    let file = across(300);
    let ill = short_unit(&file, 100);
    let (night, ranges) =
        struck(file.clone(), ill.clone(), |range, times| *range == (0..PART) && times == 0).await;
    assert_sound(&night, &file);
    assert_eq!(sent(&night), [2, 1], "the second part was not sent yet: {ranges:?}");

    let (night, ranges) = struck(ill.clone(), ill.clone(), |_, _| true).await;
    assert!(stored(&night) == ill);
    assert_eq!(segment(&night)["damage"].as_array().map(Vec::len), Some(1), "{ranges:?}");
    assert_eq!(sent(&night), [1, 1], "{ranges:?}");
}

#[tokio::test]
async fn a_node_that_keeps_a_damaged_part_is_not_asked_for_it_again() {
    let file = across(300);
    let ill = short_unit(&file, 100);
    let (night, _) = struck(file.clone(), ill, |range, _| *range == (0..PART)).await;
    assert_sound(&night, &file);
}

#[tokio::test]
async fn a_segment_without_ranges_comes_once_more_and_is_archived_as_it_is_then() {
    let file = padded(FASTSTART, LARGE);
    for (times, is_sound) in [(1, true), (99, false)] {
        let (count, ill, sound) = (AtomicU64::new(0), damaged(&file), file.clone());
        let (world, _host) = world(move |_| {
            let is_ill = count.fetch_add(1, Ordering::Relaxed) < times;
            Reply::new(200).body(if is_ill { &ill } else { &sound })
        })
        .await;
        let night = world.night(&Selection::Due, |_| {}).await;
        let damage = segment(&night)["damage"].as_array().map_or(0, Vec::len);
        assert_eq!(damage, usize::from(!is_sound));
        assert!(stored(&night) == if is_sound { file.clone() } else { damaged(&file) });
    }
}

#[tokio::test]
async fn a_segment_that_is_another_each_time_fails_and_is_tried_again() {
    let count = AtomicU64::new(0);
    let (world, _host) = world(move |_| {
        let ill = damaged(FASTSTART);
        let number = u8::try_from(count.fetch_add(1, Ordering::Relaxed)).unwrap_or(u8::MAX);
        let at = samples(&ill) + 4;
        Reply::new(200).body(&with(&ill, at, &[number]))
    })
    .await;
    let night = world.night(&Selection::Due, |_| {}).await;
    night.says(1, "partial", &["failed"]);
    assert_eq!(night.exit, 3);
}

#[tokio::test]
async fn tables_that_cannot_be_read_after_a_pause_take_no_damage_with_them() {
    let file = padded(&damaged(AT_END), 2 * LARGE);
    let (night, served) = (Arc::new(AtomicU64::new(1)), file.clone());
    let number = Arc::clone(&night);
    let moov = file.windows(4).position(|name| name == b"moov").unwrap() + 4;
    let (world, _host) = world(move |request| {
        let start = request.range().map_or(0, |range| range.start);
        let fails = match number.load(Ordering::Relaxed) {
            1 => (10 << 20..11 << 20).contains(&start),
            _ => start == moov,
        };
        if fails { Reply::new(500).body(b"") } else { answer(request, &served) }
    })
    .await;
    let one_by_one = |config: &mut Config| {
        (config.work.ranges, config.work.memory) = (1, 6 << 20);
    };
    assert_eq!(world.night(&Selection::Due, one_by_one).await.exit, 3);
    night.store(2, Ordering::Relaxed);
    world.pass(24 * 60);
    let night = world.night(&Selection::Due, |_| {}).await;
    let segment = segment(&night);
    assert!(stored(&night) == file);
    assert_eq!(segment["damage"].as_array().map(Vec::len), Some(1), "{segment}");
    assert!(!is_evident(&segment), "not all of it was examined: {segment}");
}

#[tokio::test]
async fn what_shows_only_at_the_end_is_fetched_again_from_its_part_on() {
    // The tables came sound when they were asked for first, and damaged in their turn.
    let file = padded(AT_END, LARGE);
    let times = file.windows(4).position(|name| name == b"stts").unwrap() + 12;
    let ill = with(&file, times, &[1]);
    let (night, ranges) =
        struck(file.clone(), ill, |range, times| range.start == PART && times == 0).await;
    assert_sound(&night, &file);
    assert_eq!(sent(&night), [1, 2], "{ranges:?}");
}
