//! Manifests of made-up rooms.

use super::*;
use crate::model::{
    Crc64Nvme, Crc64Xz, Damage, Evidence, MediaFacts, MediaUrl, MissingChunk, ReplayTime, RoomId,
    Sha256Digest, Stored, StoredObject, StoredWhole, TOLD_BEFORE, UnfetchableUrl, WholeChunk,
    source_ids, unfetchable_identity,
};

fn room() -> Room {
    Room::unlisted("wx1".parse().unwrap(), RoomId(354))
}

fn generator() -> Generator {
    Generator { name: "replay-archiver".into(), version: "0".into(), run_id: "r".into() }
}

fn recording(path: &str, created: &str, state: RecordingState) -> Recording {
    let url = MediaUrl::parse(&format!("http://v.myqcloud.com/{path}")).unwrap();
    let kind = if url.is_playlist() { RecordingKind::Whole } else { RecordingKind::Segment };
    let (created, expires) = (ReplayTime::parse(created), ReplayTime::default());
    let listed = Recording::listed(url.source_id(), kind, created, expires);
    Recording { url: Some(url), needs_fresh_url: true, state, ..listed }
}

/// A recording that was listed without a usable URL.
fn unfetchable(listed: &str) -> Recording {
    let (created, unfetchable) = ("2026-03-26T08:00:00Z", UnfetchableUrl::of(listed));
    let identity = unfetchable_identity(unfetchable.as_ref(), Some(created));
    let [source_id, ..] = source_ids(&identity);
    let mut recording = recording("x", created, RecordingState::Expired);
    recording.reason = Some("only http and https are fetched".into());
    Recording { source_id, url: None, needs_fresh_url: false, unfetchable, ..recording }
}

fn archived(path: &str, created: &str, duration_ms: u64, config: &[u8]) -> Recording {
    let mut recording = recording(path, created, RecordingState::Archived);
    recording.stored = Some(Stored::Segment(StoredObject {
        key: format!("segments/{path}"),
        content_type: "video/mp4".into(),
        bytes: 10,
        sha256: Sha256Digest::of(path.as_bytes()),
        crc64nvme: Crc64Nvme(1),
        crc64xz: Crc64Xz(2),
        etag: None,
        parts: 1,
        part_bytes: 10,
        source: SourceFacts { scheme: "http".into(), ..SourceFacts::default() },
        evidence: vec![Evidence::Length],
        damage: Vec::new(),
        unexamined: None,
        media: Some(MediaFacts {
            duration_ms,
            codecs: None,
            width: None,
            height: None,
            fps: None,
            faststart: true,
            config_sha256: Some(Sha256Digest::of(config)),
            told: None,
            note: None,
        }),
        archived_at: Timestamp::UNIX_EPOCH,
        damaged: None,
    }));
    recording
}

fn whole(state: RecordingState, duration_ms: u64) -> Recording {
    let mut whole = recording("w/playlist_eof.m3u8", "2026-03-26T08:20:00Z", state);
    let is_archived = state == RecordingState::Archived;
    let chunk = WholeChunk {
        key: "whole/x/chunk-000000.ts".into(),
        bytes: 7,
        sha256: Sha256Digest::of(b"c"),
        crc64nvme: Crc64Nvme(3),
        crc64xz: Crc64Xz(4),
        duration_ms,
        evidence: Vec::new(),
        damage: Vec::new(),
        note: None,
    };
    whole.stored = Some(Stored::Whole(StoredWhole {
        duration_ms,
        key: is_archived.then(|| "whole/x/playlist.m3u8".into()),
        sha256: None,
        chunks: if is_archived { vec![chunk] } else { Vec::new() },
        missing: Vec::new(),
        playable_ms: None,
        playlist_sha256: None,
        source: SourceFacts { scheme: "http".into(), ..SourceFacts::default() },
        archived_at: is_archived.then_some(Timestamp::UNIX_EPOCH),
        source_sha256: None,
        damaged: Vec::new(),
        note: None,
    }));
    whole
}

fn sealed(recordings: &[Recording], announced: u64, settled: bool) -> Manifest {
    let room = room();
    let input = SealInput {
        room: &room,
        images: Vec::new(),
        recordings,
        announced: Some(announced),
        settled,
        listed_at: None,
    };
    manifest(input, generator(), Timestamp::UNIX_EPOCH)
}

#[test]
fn segments_share_one_timeline_with_the_gaps_between_them() {
    let manifest = sealed(
        &[
            archived("a.mp4", "2026-03-26T08:00:00Z", 60_000, b"x"),
            archived("b.mp4", "2026-03-26T08:01:02Z", 60_000, b"x"),
            archived("c.mp4", "2026-03-26T08:05:02Z", 60_000, b"x"),
        ],
        3,
        true,
    );
    let timeline: Vec<_> = manifest.segments.iter().filter_map(|s| s.timeline.clone()).collect();
    let seen: Vec<_> = timeline.iter().map(|t| (t.offset_ms, t.gap_before_ms)).collect();
    assert_eq!(seen, [(0, 0), (60_000, 0), (120_000, 180_000)]);
    assert_eq!(manifest.status, RoomStatus::Complete);
    assert_eq!(manifest.totals, Totals { bytes: 30, duration_ms: 180_000 });
    assert!(manifest.playback.uniform_codecs);
    assert_eq!(manifest.playback.preferred, Preferred::Segments);
}

#[test]
fn the_status_never_claims_more_than_is_archived() {
    use RecordingState::{Archived, Expired, Failed, NotNeeded, Pending, Rejected};
    let table: &[(&[RecordingState], u64, bool, RoomStatus)] = &[
        (&[], 0, true, RoomStatus::Empty),
        (&[], 0, false, RoomStatus::Partial),
        (&[], 1, true, RoomStatus::Partial),
        (&[Archived], 1, true, RoomStatus::Complete),
        (&[Archived, NotNeeded], 2, true, RoomStatus::Complete),
        (&[Archived], 1, false, RoomStatus::Partial),
        (&[Archived], 2, true, RoomStatus::Partial),
        (&[Archived, Expired], 2, true, RoomStatus::Partial),
        (&[Archived, Failed], 2, true, RoomStatus::Partial),
        (&[Archived, Rejected], 2, true, RoomStatus::Partial),
        (&[Archived, Pending], 2, true, RoomStatus::Partial),
        (&[Expired], 1, true, RoomStatus::Lost),
        (&[Expired, Expired], 2, true, RoomStatus::Lost),
        (&[Failed], 1, true, RoomStatus::Partial),
    ];
    for (states, announced, settled, expected) in table {
        let recordings: Vec<_> = states
            .iter()
            .enumerate()
            .map(|(n, state)| recording(&format!("{n}.mp4"), "", *state))
            .collect();
        let manifest = sealed(&recordings, *announced, *settled);
        assert_eq!(manifest.status, *expected, "{states:?} of {announced}, settled {settled}");
    }
}

#[test]
fn the_longer_of_the_two_forms_is_played() {
    let segment = archived("a.mp4", "2026-03-26T08:00:00Z", 60_000, b"x");
    let shorter = sealed(&[segment.clone(), whole(RecordingState::NotNeeded, 60_500)], 2, true);
    assert_eq!(shorter.playback.keys, ["segments/a.mp4"]);
    let longer = sealed(&[segment, whole(RecordingState::Archived, 90_000)], 2, true);
    assert_eq!(longer.playback.preferred, Preferred::Whole);
    assert_eq!(longer.playback.keys, ["whole/x/playlist.m3u8"]);
    assert_eq!(longer.totals, Totals { bytes: 17, duration_ms: 90_000 });
}

/// A whole of 90 s of which 60 s are stored.
fn in_part(state: RecordingState) -> Recording {
    let mut recording = whole(RecordingState::Archived, 90_000);
    recording.end(state, "a chunk is gone");
    if let Some(Stored::Whole(whole)) = &mut recording.stored {
        whole.playable_ms = Some(60_000);
        whole.playlist_sha256 = Some(Sha256Digest::of(b"playlist"));
        whole.missing = vec![MissingChunk {
            name: "chunk-000001.ts".into(),
            host: "v.myqcloud.com".into(),
            path: "/w/x.ts".into(),
            offset_ms: 60_000,
            duration_ms: 30_000,
            reason: "gone".into(),
        }];
    }
    recording
}

#[test]
fn a_room_is_never_lost_while_chunks_of_its_whole_are_archived() {
    for state in [RecordingState::Failed, RecordingState::Expired, RecordingState::Rejected] {
        let manifest = sealed(&[in_part(state)], 1, true);
        assert_eq!(manifest.status, RoomStatus::Partial, "{state:?}");
        assert_eq!(manifest.totals, Totals { bytes: 7, duration_ms: 60_000 });
        assert_eq!(manifest.playback.preferred, Preferred::Whole);
        assert_eq!(manifest.playback.durations_ms, [60_000]);
        let again = sealed(&manifest.recordings(), 1, true);
        assert_eq!(again, manifest, "nothing is forgotten with the ledger");
    }
    let lost = sealed(&[whole(RecordingState::Expired, 90_000)], 1, true);
    assert_eq!(lost.status, RoomStatus::Lost);
}

#[test]
fn a_partial_whole_is_played_if_longer_and_preferred_over_an_empty_one() {
    let segment = |ms| archived("a.mp4", "2026-03-26T08:00:00Z", ms, b"x");
    let failed = || in_part(RecordingState::Failed);
    let shorter = sealed(&[segment(70_000), failed()], 2, true);
    assert_eq!(
        (shorter.playback.preferred, shorter.playback.duration_ms),
        (Preferred::Segments, 70_000)
    );
    let longer = sealed(&[segment(50_000), failed()], 2, true);
    assert_eq!(
        (longer.playback.preferred, longer.playback.duration_ms),
        (Preferred::Whole, 60_000)
    );
    let mut other = whole(RecordingState::Failed, 99_000);
    other.source_id = "00000000".into();
    let both = sealed(&[other, failed()], 2, true);
    assert_eq!(both.whole.and_then(|whole| whole.playable_ms), Some(60_000));
}

#[test]
fn segments_with_different_codecs_are_not_uniform() {
    let manifest = sealed(
        &[
            archived("a.mp4", "2026-03-26T08:00:00Z", 60_000, b"x"),
            archived("b.mp4", "2026-03-26T08:02:00Z", 60_000, b"y"),
        ],
        2,
        true,
    );
    assert!(!manifest.playback.uniform_codecs);
}

#[test]
fn a_ledger_rebuilt_from_a_manifest_produces_the_same_manifest() {
    let recordings = [
        archived("a.mp4", "2026-03-26T08:00:00Z", 60_000, b"x"),
        recording("b.mp4", "2106-02-07T14:28:15", RecordingState::Expired),
        whole(RecordingState::Archived, 90_000),
        unfetchable("ftp://h/c.mp4?sign=s3cret"),
        unfetchable("?sign=s3cret"),
    ];
    let first = sealed(&recordings, 5, true);
    let text = serde_json::to_string(&first).unwrap();
    let read: Manifest = serde_json::from_str(&text).unwrap();
    assert_eq!(read, first);
    let again = sealed(&read.recordings(), 5, true);
    assert_eq!(again, first);
    let ids = |recordings: &[Recording]| -> Vec<_> {
        recordings.iter().map(|recording| recording.source_id.clone()).collect()
    };
    let (mut before, mut after) = (ids(&recordings), ids(&read.recordings()));
    before.sort();
    after.sort();
    assert_eq!(after, before);
    let link = PreviousManifest {
        revision: 1,
        sha256: Sha256Digest::of(text.as_bytes()),
        key: "history/1.json".into(),
    };
    assert_eq!(again.succeeding(&first, link.clone()), None);
    let more = sealed(&read.recordings(), 6, true).succeeding(&first, link.clone()).unwrap();
    assert_eq!((more.revision, more.previous), (2, Some(link)));
}

#[test]
fn the_report_of_a_loss_round_trips_through_the_manifest() {
    let at = "2026-11-22T03:00:00Z".parse().unwrap();
    for (told_at, said) in [
        (None, Some(Loss { told_at: None })),
        (Some(at), Some(Loss { told_at: Some(at) })),
        // Earlier versions reported losses without recording when.
        (Some(TOLD_BEFORE), None),
    ] {
        let mut lost = recording("b.mp4", "2026-03-26T08:00:00Z", RecordingState::Expired);
        lost.told_at = told_at;
        let mut whole = whole(RecordingState::Expired, 90_000);
        whole.told_at = told_at;
        let manifest = sealed(&[lost, whole], 2, true);
        assert_eq!(manifest.segments[0].loss, said);
        assert_eq!(manifest.whole.as_ref().unwrap().loss, said);
        let back: Vec<_> = manifest.recordings().iter().map(|back| back.told_at).collect();
        assert_eq!(back, [told_at, told_at]);
    }
    let mut kept = archived("a.mp4", "2026-03-26T08:00:00Z", 60_000, b"x");
    kept.told_at = Some(at);
    let manifest = sealed(&[kept], 1, true);
    assert_eq!((&manifest.segments[0].loss, manifest.recordings()[0].told_at), (&None, None));
}

#[test]
fn long_identities_round_trip_through_a_manifest() {
    // The SHA-256 of both paths begins with 9cb27b65.
    let paths = ["c/029506/f0.mp4", "c/040817/f0.mp4"];
    let at = "2026-03-26T08:00:00Z";
    for archived_one in [0, 1] {
        let long = source_ids(&format!("/{}", paths[archived_one]))[1].clone();
        let mut one = archived(paths[archived_one], at, 60_000, b"x");
        one.source_id.clone_from(&long);
        if let Some(Stored::Segment(object)) = &mut one.stored {
            object.key = format!("segments/20260326T080000Z-{long}.mp4");
        }
        let other = recording(paths[1 - archived_one], at, RecordingState::Failed);
        let manifest = sealed(&[one, other], 2, true);
        let mut ids: Vec<_> =
            manifest.recordings().into_iter().map(|recording| recording.source_id).collect();
        ids.sort();
        assert_eq!(ids, ["9cb27b65".to_owned(), long]);
    }
}

#[test]
fn the_largest_manifest_can_be_read_again() {
    // A tenth of the most recordings read of a room, each with the longest URL and reason.
    let listed = 2_000;
    let long = "a".repeat(16_000);
    let recordings: Vec<_> = (0..listed)
        .map(|number| {
            let path = format!("{number}/{long}.mp4");
            let mut one = archived(&path, "2026-03-26T08:00:00Z", 1, b"x");
            one.reason = Some("y".repeat(5_000).into());
            if let Some(Stored::Segment(object)) = &mut one.stored {
                object.key = format!("segments/20260326T080000Z-{}.mp4", one.source_id);
            }
            one
        })
        .collect();
    let manifest = sealed(&recordings, listed, true);
    let text = serde_json::to_string_pretty(&manifest).unwrap();
    assert!((text.len() as u64) * 10 < crate::store::GET_CAP, "{} bytes", text.len());
    let values = text.matches([',', '[', '{']).count();
    assert!(values * 10 < crate::archive::published::MOST_VALUES, "{values} values");
    let ids = |recordings: &[Recording]| {
        recordings.iter().map(|r| r.source_id.clone()).collect::<Vec<_>>()
    };
    let again = manifest.recordings();
    assert_eq!(ids(&again), ids(&recordings), "known by their digests");
    assert_eq!(sealed(&again, listed, true), manifest, "and sealed the same");
}

#[test]
fn sums_of_durations_and_sizes_saturate() {
    let mut recordings = vec![
        archived("a/f0.mp4", "2026-03-26T08:10:00Z", u64::MAX, b"x"),
        archived("b/f0.mp4", "2026-03-26T08:00:00Z", u64::MAX, b"x"),
        whole(RecordingState::Archived, u64::MAX),
    ];
    for recording in &mut recordings {
        if let Some(Stored::Segment(object)) = &mut recording.stored {
            object.bytes = u64::MAX;
        }
    }
    let manifest = sealed(&recordings, u64::MAX, true);
    assert_eq!((manifest.totals.bytes, manifest.totals.duration_ms), (u64::MAX, u64::MAX));
    let link =
        PreviousManifest { revision: u64::MAX, sha256: Sha256Digest::of(b""), key: "k".into() };
    let other = sealed(&[], 0, true);
    assert_eq!(manifest.succeeding(&other, link).unwrap().revision, u64::MAX);
}

#[test]
fn damage_at_the_source_is_in_the_manifest_leaves_the_room_complete_and_round_trips() {
    let what = "a NAL unit ends beyond its sample".to_owned();
    let (at_ms, duration_ms) = (Some(500), Some(40));
    let place = Damage { offset: 4, length: 3, at_ms, duration_ms, what, seen: 2 };
    let mut segment = archived("a.mp4", "2026-03-26T08:00:00Z", 60_000, b"x");
    let Some(Stored::Segment(object)) = &mut segment.stored else { panic!() };
    object.evidence.push(Evidence::Samples);
    object.damage = vec![place.clone()];
    let mut whole = whole(RecordingState::Archived, 60_000);
    let Some(Stored::Whole(stored)) = &mut whole.stored else { panic!() };
    let chunk = stored.chunks[0].clone();
    stored.chunks = vec![chunk.clone(), WholeChunk { damage: vec![place.clone()], ..chunk }];
    let later = Damage { at_ms: Some(60_500), ..place.clone() };
    assert_eq!(whole.source_damage(), [later], "its time is that within the whole");
    let sealed = sealed(&[segment, whole], 2, true);
    assert_eq!(sealed.status, RoomStatus::Complete);
    let text = serde_json::to_string(&sealed).unwrap();
    let read: Manifest = serde_json::from_str(&text).unwrap();
    let told: Vec<_> = read.damage().map(|(key, damage)| (key, damage.len())).collect();
    assert_eq!(told, [("segments/a.mp4", 1), ("whole/x/chunk-000000.ts", 1)]);
    let known = read.recordings();
    assert_eq!(known[0].source_damage(), [place]);
    assert!(known[0].segment().unwrap().evidence.contains(&Evidence::Samples));
    assert_eq!(known[1].source_damage().len(), 1);
}
