//! What the fuzzers feed: every reader of what comes from outside, with what must hold of it.
//!
//! One function a target. Each takes any bytes at all and returns; a panic is a finding. The
//! programs under `fuzz/` drive them with coverage, and the test below with every input that was
//! once worth keeping (`tests/it/fixtures/fuzz/<target>/`).

use jiff::Timestamp;
use url::Url;

use crate::media::hls::{MediaPlaylist, Playlist, redacted_source};
use crate::media::mp4::{self, BoxWalk, Fragments, Limits, Mp4Error, Mp4Structure};
use crate::model::time::{compact_utc, from_epoch, room_time};
use crate::model::{MediaUrl, ReplayTime};
use crate::net_guard::HostPolicy;
use crate::store::PartPlan;
use crate::{config, media, playback, serve, stage, stitch, wechat};

/// A target: its name, and what takes the bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Every target there is.
pub const TARGETS: [Target; 14] = [
    ("replies", wechat::fuzzing::reply),
    ("times", times),
    ("mp4", mp4),
    ("moov", moov),
    ("merge", stitch::fuzzing::merge),
    ("playlists", playlists),
    ("config", config::fuzzing::configuration),
    ("manifests", stage::fuzzing::manifest),
    ("checkpoints", stage::fuzzing::checkpoint),
    ("headers", headers),
    ("urls", urls),
    ("plans", playback::fuzzing::plan),
    ("lines", playback::fuzzing::line),
    ("requests", serve::fuzzing::request),
];

/// Times of replays and rooms: whatever is read is plausible and survives its own text form.
fn times(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let time = ReplayTime::parse(text);
    assert_eq!(time.raw.as_deref(), Some(text));
    if let Some(at) = time.at {
        assert_eq!(ReplayTime::parse(&at.to_string()).at, Some(at));
        assert_eq!(compact_utc(at).len(), "20210326T075621Z".len());
    }
    if let Some(number) = data.first_chunk().map(|bytes| i64::from_be_bytes(*bytes)) {
        let room = room_time(number);
        assert!(room.is_none() || room == from_epoch(number));
    }
}

/// The walk over an MP4's boxes: how the file is cut makes no difference, nor does a walk that is
/// stored and resumed, and no more is kept than the limit.
fn mp4(data: &[u8]) {
    const LIMITS: Limits = Limits { moov_bytes: 4096 };
    let whole = walk(data, &[data], LIMITS, false);
    let slices = cuts(data);
    assert_eq!(walk(data, &slices, LIMITS, false), whole);
    let stored = walk(data, &slices, LIMITS, true);
    match (whole, stored) {
        (Ok(whole), Ok(stored)) => {
            assert_eq!(whole.total, data.len() as u64);
            assert!(whole.moov.as_ref().is_none_or(|moov| moov.len() <= 4096));
            let kept = stored.moov.is_none() || stored.moov == whole.moov;
            assert!(kept, "a walk that was resumed keeps all of a moov or nothing");
            // A fragment that came in part before the walk was stored is not read.
            let fragments = Fragments::default();
            let without = |mp4: Mp4Structure| Mp4Structure {
                moov: None,
                fragments: fragments.clone(),
                ..mp4
            };
            assert_eq!(without(stored), without(whole));
        }
        (whole, stored) => assert_eq!(whole.err(), stored.err()),
    }
}

fn walk(
    data: &[u8],
    slices: &[&[u8]],
    limits: Limits,
    stored: bool,
) -> Result<Mp4Structure, Mp4Error> {
    let mut walk = BoxWalk::new(limits);
    for slice in slices {
        walk.feed(slice)?;
        if stored {
            let text = serde_json::to_string(&walk.to_store()).unwrap_or_default();
            walk = match serde_json::from_str::<BoxWalk>(&text) {
                Ok(walk) => walk,
                Err(error) => unreachable!("{error}"),
            };
            assert!(walk.is_sound(), "what a walk stores can be resumed");
        }
    }
    walk.finish(Some(data.len() as u64))
}

/// Pieces whose lengths follow from the bytes themselves.
fn cuts(mut data: &[u8]) -> Vec<&[u8]> {
    let mut slices = Vec::new();
    let mut state = data.iter().fold(1_u32, |sum, &byte| sum.wrapping_mul(31) ^ u32::from(byte));
    while !data.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let longest = match (state >> 8) % 3 {
            0 => 3,
            1 => 17,
            _ => 400,
        };
        let at = 1 + (state >> 16) as usize % longest;
        let (slice, rest) = data.split_at(at.min(data.len()));
        slices.push(slice);
        data = rest;
    }
    slices
}

/// What a `moov` tells: short texts and plausible numbers, or an error.
fn moov(data: &[u8]) {
    let mut walk = BoxWalk::new(Limits::default());
    let moov = walk.feed(data).and_then(|()| walk.finish(None)).ok().and_then(|mp4| mp4.moov);
    for moov in moov.iter().map(Vec::as_slice).chain([data]) {
        if let Ok(facts) = mp4::facts(moov, &Mp4Structure::default()) {
            assert!((1..=mp4::LONGEST_MS).contains(&facts.duration_ms));
            let codecs = facts.codecs.unwrap_or_default();
            assert!(codecs.len() < 4096 && codecs.chars().all(|c| c.is_ascii_graphic()));
        }
    }
}

/// Playlists: the copy says the same as the original, names nothing but stored files, and the
/// redacted original holds no signature.
fn playlists(data: &[u8]) {
    let Ok(base) = MediaUrl::parse("http://v.vod2.myqcloud.com/a/b/playlist.m3u8?sign=s3cret")
    else {
        unreachable!()
    };
    let redacted = redacted_source(data);
    assert_eq!(redacted_source(&redacted), redacted);
    if let Ok(Playlist::Media(playlist)) = Playlist::parse(data, &base) {
        let copy = playlist.rewritten(|_| true);
        assert_eq!(playlist.lacks(|_| true).len(), 0);
        match Playlist::parse(copy.as_bytes(), &base) {
            Ok(Playlist::Media(again)) => {
                assert_eq!(outline(&again), outline(&playlist));
                // A section that nothing refers to is stored and not named, which shifts the numbers.
                if again.inits.len() == playlist.inits.len() {
                    assert_eq!(again.rewritten(|_| true), copy);
                }
            }
            other => unreachable!("{other:?}"),
        }
        let lines = copy.lines().filter(|line| !line.starts_with('#'));
        let names = playlist.chunks.iter().map(|chunk| chunk.file.name.as_str());
        assert!(lines.eq(names));
    }
}

/// What a playlist and its copy have in common. A section that no segment refers to is not in the
/// copy.
fn outline(playlist: &MediaPlaylist) -> Vec<(u64, bool, Option<String>)> {
    let init = |init: Option<usize>| playlist.inits.get(init?).map(|file| extension(&file.name));
    let chunks = playlist.chunks.iter();
    chunks.map(|chunk| (chunk.duration_ms, chunk.discontinuity, init(chunk.init))).collect()
}

fn extension(name: &str) -> String {
    name.rsplit('.').next().unwrap_or_default().to_owned()
}

/// The headers of a media host, and the parts that are planned by them.
fn headers(data: &[u8]) {
    let Some(total) = media::source::fuzzing::headers(data) else { return };
    let plan = PartPlan::new(Some(total), 8 << 20);
    let parts = plan.parts().unwrap_or_default();
    for number in [1, 2, 9_999, 10_000, 10_001, u32::MAX] {
        match plan.range(number) {
            Ok(Some(range)) => {
                assert!(range.start < range.end && range.end <= total);
                assert!(range.end - range.start <= plan.part_bytes());
            }
            Ok(None) => assert!(u64::from(number) > parts),
            Err(_) => assert!(number > 10_000),
        }
    }
}

/// URLs: what the guard lets through is what it says it is, whatever the notation; and no query is
/// shown.
fn urls(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = HostPolicy::parse(&[text.to_owned()]).map_err(|error| error.to_string());
    let patterns = ["*.myqcloud.com", "media.example.com:8080"].map(str::to_owned);
    let Ok(policy) = HostPolicy::parse(&patterns) else { unreachable!() };
    if let Ok(url) = Url::parse(text)
        && policy.check(&url).is_ok()
    {
        allowed(&url);
    }
    let Ok(url) = MediaUrl::parse(text) else { return };
    let shown = format!("{url} {url:?} {}", url.without_query());
    assert!(!shown.contains('?') || shown.replace("?…", "").find('?').is_none(), "{shown}");
    let Some(keys) = stage::fuzzing::room_keys() else { unreachable!() };
    let key = keys.segment(Some(Timestamp::UNIX_EPOCH), &url.source_id());
    let relative = keys.relative(&key).unwrap_or_default();
    assert_eq!(keys.resolve(relative), Some(key.clone()));
    let chunk = keys.whole_file(&url.source_id(), url.file_name());
    assert_eq!(keys.resolve(keys.relative(&chunk).unwrap_or_default()), Some(chunk.clone()));
}

/// Judged without the guard's own code: by the text of the URL as the HTTP client will send it.
fn allowed(url: &Url) {
    let text = url.as_str();
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let authority = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    assert!(!authority.contains('@'), "{text}");
    let host = authority.trim_end_matches(":8080").trim_end_matches('.');
    let is_ours = host.ends_with(".myqcloud.com") || host == "media.example.com";
    assert!(is_ours && !host.contains([':', '[', '%']), "{text}");
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// The inputs that were kept for a target.
    fn kept(target: &str) -> Vec<PathBuf> {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures/fuzz");
        let Ok(folder) = std::fs::read_dir(format!("{root}/{target}")) else { return Vec::new() };
        folder.map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn every_input_that_was_once_worth_keeping_is_taken() {
        let mut inputs = 0;
        for (name, take) in TARGETS {
            for path in kept(name) {
                take(&std::fs::read(path).unwrap());
                inputs += 1;
            }
        }
        assert!(inputs > 0);
    }

    #[test]
    fn every_target_takes_nothing_and_each_others_inputs() {
        for (_, take) in TARGETS {
            take(b"");
            for (other, _) in TARGETS {
                kept(other).iter().for_each(|path| take(&std::fs::read(path).unwrap()));
            }
        }
    }
}
