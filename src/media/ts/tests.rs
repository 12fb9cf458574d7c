use super::muxer::{PICTURE, SOUND, Video};
use super::*;

fn promise(duration_ms: u64) -> Promise {
    Promise { duration_ms, is_rounded: false, has_init: false, may_run_on: false }
}

fn examine_by(bytes: &[u8], step: usize, promise: Option<Promise>) -> Examined {
    let mut walk = TsWalk::default();
    bytes.chunks(step.max(1)).for_each(|slice| walk.feed(slice));
    walk.finish(promise)
}

/// The findings, which must not depend on how the bytes are cut into pieces.
fn examine(bytes: &[u8], duration_ms: u64) -> Examined {
    let whole = examine_by(bytes, bytes.len(), Some(promise(duration_ms)));
    for step in [1, 187, 188, 189, 1000] {
        let found = examine_by(bytes, step, Some(promise(duration_ms)));
        assert_eq!(found, whole, "in pieces of {step}");
    }
    whole
}

fn kinds(bytes: &[u8], duration_ms: u64) -> Vec<What> {
    examine(bytes, duration_ms).findings.into_iter().map(|finding| finding.what).collect()
}

fn video() -> Vec<u8> {
    Video::of_seconds(4).muxed()
}

#[test]
fn sound_streams_are_sound() {
    let usual = Video::of_seconds(4);
    for video in [
        usual.clone(),
        Video { is_reordered: true, ..usual.clone() },
        Video { has_sound: false, ..usual.clone() },
        Video { has_picture: false, ..usual.clone() },
        Video { rate: 5, frames: 20, ..usual.clone() },
        Video { size: 1, ..usual.clone() },
        Video { size: 6_000, ..usual.clone() },
        // The times wrap around in the middle.
        Video { begins: (1 << 33) - 180_000, is_reordered: true, ..usual.clone() },
    ] {
        let bytes = video.muxed();
        assert_eq!(kinds(&bytes, 4000), [], "{video:?}");
        for told in [3600, 3999, 4400] {
            let found = examine_by(&bytes, 4096, Some(promise(told)));
            assert_eq!(found, Examined::default(), "{told}: {video:?}");
        }
    }
    // One picture for the whole duration.
    let still = Video { frames: 1, has_sound: false, ..usual };
    assert_eq!(kinds(&still.muxed(), 30_000), []);
}

#[test]
fn what_ends_within_a_packet_is_cut() {
    let video = video();
    for cut in [1, 4, 94, 187] {
        let bytes = &video[..video.len() - cut];
        for step in [1, 188, bytes.len()] {
            let found = examine_by(bytes, step, Some(promise(4000)));
            assert_eq!((found.cut, found.findings), (Some(188 - cut as u64), Vec::new()));
        }
    }
    assert_eq!(kinds(&[&video[..], b"\r\n"].concat(), 4000), [What::Trailing]);
}

#[test]
fn a_stream_that_ends_early_or_runs_on_is_told_with_its_times() {
    let video = video();
    let half = video.len() / PACKET / 2 * PACKET;
    let found = examine(&video[..half], 4000).findings;
    let What::Short { told: 4000, plays } = found[0].what else { panic!("{found:?}") };
    assert!((1900..2200).contains(&plays) && found.len() == 1, "{found:?}");
    assert!(matches!(kinds(&video, 2900)[..], [What::Long { told: 2900, .. }]));
    let last = Promise { may_run_on: true, ..promise(2900) };
    assert_eq!(examine_by(&video, 999, Some(last)).findings, []);
    assert!(matches!(kinds(&video, 5000)[..], [What::Short { .. }]));
    for told in [3000, 5000] {
        let rounded = Promise { is_rounded: true, ..promise(told) };
        assert_eq!(examine_by(&video, 999, Some(rounded)).findings, []);
    }
}

#[test]
fn packets_that_are_missing_or_come_again_are_told_by_stream_and_place() {
    let video = video();
    let (from, count) = (200, 30);
    let at = |packet: usize| packet * PACKET;
    let without = [&video[..at(from)], &video[at(from + count)..]].concat();
    let found = examine(&without, 4000).findings;
    assert!(!found.is_empty());
    for finding in &found {
        let What::Continuity { pid } = finding.what else { panic!("{found:?}") };
        assert!([PICTURE, SOUND].contains(&pid));
        assert!(finding.offset.abs_diff(at(from) as u64) < 20 * PACKET as u64, "{found:?}");
        assert!(finding.at_ms.is_some_and(|ms| ms < 4000));
    }
    let again = [&video[..at(from + count)], &video[at(from)..]].concat();
    assert!(!kinds(&again, 4000).is_empty());
    let foreign =
        [&video[..at(from)], &video[at(from + 100)..at(from + 130)], &video[at(from + 30)..]];
    assert!(!kinds(&foreign.concat(), 4000).is_empty());
}

#[test]
fn a_packet_may_come_twice() {
    let video = video();
    let at = (200..300)
        .map(|packet| packet * PACKET)
        .find(|at| video[at + 1] & 0x5f == 1 && video[at + 2] == 0)
        .unwrap();
    let twice = [&video[..at + PACKET], &video[at..]].concat();
    assert_eq!(kinds(&twice, 4000), []);
    let thrice = [&video[..at + PACKET], &video[at..at + PACKET], &video[at..]].concat();
    assert_eq!(kinds(&thrice, 4000), [What::Continuity { pid: PICTURE }]);
}

#[test]
fn zeros_noise_and_pages_in_the_middle_are_told_by_their_place() {
    let video = video();
    let page = b"<html><body>502 Bad Gateway</body></html>".repeat(60);
    let noise: Vec<u8> =
        (0..4000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for (filling, start) in [(vec![0; 4096], 30_000), (page, 30_011), (noise, 31_000)] {
        let mut bytes = video.clone();
        bytes[start..start + filling.len()].copy_from_slice(&filling);
        let found = examine(&bytes, 4000).findings;
        let lost = found.iter().find(|finding| finding.what == What::NoSync).unwrap();
        assert!(lost.offset.abs_diff(start as u64) < 200, "{found:?}");
        assert!(lost.length.abs_diff(filling.len() as u64) < 400, "{found:?}");
    }
    let shifted = [&video[..30_000], &[1, 2, 3], &video[30_000..]].concat();
    assert!(kinds(&shifted, 4000).contains(&What::NoSync));
    let before = [b"\x89PNG\r\n\x1a\n and a picture".as_slice(), &video].concat();
    assert_eq!(kinds(&before, 4000), [What::NoSync]);
}

#[test]
fn tables_have_to_be_there_and_sound() {
    let mut video = video();
    for packet in
        video.chunks_exact_mut(PACKET).filter(|packet| packet[2] == 0 && packet[1] == 0x50)
    {
        packet[20] ^= 1;
    }
    assert_eq!(kinds(&video, 4000), [What::NoPmt, What::Checksum]);
    let without: Vec<u8> = video
        .chunks_exact(PACKET)
        .filter(|packet| packet[1] & 0x1f == 1)
        .flatten()
        .copied()
        .collect();
    assert_eq!(kinds(&without, 4000), [What::NoPat]);
    let init = Promise { has_init: true, ..promise(4000) };
    assert_eq!(examine_by(&without, 999, Some(init)).findings, []);
    let empty = Video { frames: 0, ..Video::of_seconds(4) };
    let mut writer = super::muxer::Writer::default();
    writer.tables(&empty);
    assert_eq!(kinds(&writer.bytes, 4000), [What::Nothing]);
    assert_eq!(examine_by(&writer.bytes, 999, None), Examined::default());
}

#[test]
fn what_is_scrambled_cannot_be_examined_and_single_packets_are_damaged() {
    let scrambled = |of: fn(usize) -> bool| {
        let mut video = video();
        let packets = video.chunks_exact_mut(PACKET).enumerate();
        for (_, packet) in packets.filter(|(at, packet)| packet[1] & 0x1f == 1 && of(*at)) {
            packet[3] |= 0x80;
        }
        examine(&video, 4000)
    };
    assert!(scrambled(|_| true).unexamined.is_some());
    let one = scrambled(|at| at == 200);
    assert!(one.unexamined.is_none() && one.findings[0].what == What::Scrambled);
}

#[test]
fn damage_everywhere_is_told_in_few_words() {
    let video = video();
    let torn: Vec<u8> =
        video.chunks(PACKET * 40).flat_map(|some| &some[PACKET..]).copied().collect();
    let found = examine(&[torn.clone(), torn].concat(), 8000);
    assert!(found.findings.len() <= MOST);
}

proptest::proptest! {
    #[test]
    fn no_bytes_are_too_strange_to_be_judged(
        seed in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..600),
        cuts in proptest::collection::vec((0_usize..60_000, 0_usize..900), 0..6),
        step in 1_usize..2000,
    ) {
        let mut bytes = Video::of_seconds(1).muxed();
        for (at, length) in cuts {
            let at = at % bytes.len();
            let end = (at + length.min(seed.len())).min(bytes.len());
            bytes.splice(at..end, seed.iter().copied().take(length));
            if bytes.is_empty() {
                break;
            }
        }
        let whole = examine_by(&bytes, bytes.len(), Some(promise(1000)));
        proptest::prop_assert_eq!(examine_by(&bytes, step, Some(promise(1000))), whole);
    }
}
