//! What the ledger keeps.

use jiff::SignedDuration;
use replay_archiver::clock::Clock;
use replay_archiver::ledger::{
    Backlog, Choice, Error, Intent, NewPart, NewRoom, Phase, QuotaShare, RecordingId, Reserve,
    SavedChunk, ScanState, Standing,
};
use replay_archiver::model::{ALL_HOSTS, Measured};
use replay_archiver::model::{LiveStatus, RecordingState, RoomId};

use super::{Database, LEASE, appid, at, claim, claim_any, due, now, recording, room};

pub async fn the_soonest_deadline_is_claimed_first_and_what_is_past_it_last(database: &Database) {
    let ledger = database.open().await;
    due(&ledger, 1, "2027-05-01T00:00:00Z").await;
    due(&ledger, 2, "2026-11-23T00:00:00Z").await;
    due(&ledger, 3, "2026-11-01T00:00:00Z").await;
    let mut order = Vec::new();
    while let Some(record) = claim_any(&ledger, "a", now()).await {
        order.push(record.room.room_id.0);
    }
    assert_eq!(order, [2, 1, 3]);
}

pub async fn an_account_is_as_urgent_as_the_first_of_its_rooms_that_can_be_saved(
    database: &Database,
) {
    let ledger = database.open().await;
    let standing = async || ledger.standing(&appid(), now()).await.unwrap();
    assert_eq!(standing().await, Standing::Unknown);
    due(&ledger, 3, "2026-11-01T00:00:00Z").await;
    assert_eq!(standing().await, Standing::NothingUrgent, "it is past");
    due(&ledger, 1, "2027-05-01T00:00:00Z").await;
    due(&ledger, 2, "2026-11-23T00:00:00Z").await;
    assert_eq!(standing().await, Standing::Pending(at("2026-11-23T00:00:00Z")));
    let mut record = claim_any(&ledger, "a", now()).await.unwrap();
    record.phase = Phase::Closed;
    ledger.save_room(&record, "a").await.unwrap();
    let later = Standing::Pending(at("2027-05-01T00:00:00Z"));
    assert_eq!(standing().await, later, "the first is done");
    assert!(Standing::Unknown < later && later < Standing::NothingUrgent);
}

pub async fn a_leased_room_is_nobody_elses_until_the_lease_ends(database: &Database) {
    let clock = Clock::manual(now());
    let ledger = database.open_timed(&clock).await;
    due(&ledger, 1, "2027-01-01T00:00:00Z").await;
    let mine = claim_any(&ledger, "a", now()).await.unwrap();
    assert!(claim_any(&ledger, "b", now()).await.is_none());
    clock.advance(LEASE + SignedDuration::from_secs(1));
    let later = clock.now();
    assert!(claim_any(&ledger, "b", later).await.is_some());
    let lost = ledger.save_room(&mine, "a").await;
    assert!(matches!(lost, Err(Error::LeaseLost(RoomId(1)))), "{lost:?}");
    let lost = ledger.renew(&appid(), RoomId(1), claim("a", later)).await;
    assert!(matches!(lost, Err(Error::LeaseLost(RoomId(1)))), "{lost:?}");
    let lost = ledger.save_recording(&appid(), RoomId(1), &recording("x?sign=1"), "a").await;
    assert!(matches!(lost, Err(Error::LeaseLost(RoomId(1)))), "{lost:?}");
}

pub async fn listing_a_room_again_does_not_undo_its_work(database: &Database) {
    let ledger = database.open().await;
    due(&ledger, 1, "2027-01-01T00:00:00Z").await;
    let mut record = claim_any(&ledger, "a", now()).await.unwrap();
    record.phase = Phase::Closed;
    ledger.save_room(&record, "a").await.unwrap();
    due(&ledger, 1, "2027-01-01T00:00:00Z").await;
    assert_eq!(ledger.room(&appid(), RoomId(1)).await.unwrap().unwrap().phase, Phase::Closed);
    let changed = room(1, LiveStatus::BANNED);
    ledger.record_room(&changed, Phase::Due, now(), now()).await.unwrap();
    assert_eq!(ledger.room(&appid(), RoomId(1)).await.unwrap().unwrap().phase, Phase::Due);
}

pub async fn a_recordings_query_never_reaches_the_database(database: &Database) {
    let ledger = database.open().await;
    due(&ledger, 1, "2027-01-01T00:00:00Z").await;
    claim_any(&ledger, "a", now()).await.unwrap();
    let signed = recording("f0.mp4?sign=canary");
    ledger.save_recording(&appid(), RoomId(1), &signed, "a").await.unwrap();
    let read = ledger.recordings(&appid(), RoomId(1)).await.unwrap().remove(0);
    assert!(read.needs_fresh_url);
    assert_eq!(read.create_time, signed.create_time);
    assert_eq!(read.url.unwrap().path(), "/f0.mp4");
    ledger.close().await;
    let content = database.content().await;
    let holds = |text: &[u8]| content.windows(text.len()).any(|window| window == text);
    assert!(holds(b"/f0.mp4"), "the recording is not in it at all");
    assert!(!holds(b"canary"));
}

pub async fn calls_are_refused_once_the_days_share_is_spent(database: &Database) {
    // With the database's own clock, tomorrow would not come.
    let ledger = database.open_timed(&Clock::manual(now())).await;
    let share = QuotaShare { daily_limit: 10, reserve: Reserve::Percent(25) };
    for _ in 0..7 {
        ledger.take_call(&appid(), now(), share).await.unwrap();
    }
    let refused = ledger.take_call(&appid(), now(), share).await;
    assert!(matches!(refused, Err(Error::QuotaUsedUp { used: 7, limit: 10, reserve: 3, .. })));
    let tomorrow = now() + SignedDuration::from_hours(24);
    ledger.take_call(&appid(), tomorrow, share).await.unwrap();
}

pub async fn what_wechat_says_of_the_quota_is_taken_over_unless_it_knows_less(database: &Database) {
    let ledger = database.open().await;
    let share = QuotaShare { daily_limit: 500, reserve: Reserve::Calls(2) };
    ledger.take_call(&appid(), now(), share).await.unwrap();
    ledger.align_quota(&appid(), now(), 20, 0).await.unwrap();
    let today = ledger.quota(&appid(), now(), share).await.unwrap();
    assert_eq!((today.used, today.limit, today.left()), (1, 20, 17));
    ledger.align_quota(&appid(), now(), 20, 18).await.unwrap();
    assert!(ledger.take_call(&appid(), now(), share).await.is_err());
    ledger.exhaust_quota(&appid(), now(), share).await.unwrap();
    assert_eq!(ledger.quota(&appid(), now(), share).await.unwrap().used, 20);
    // Used up before WeChat has told how many there are: all of them are used, and no more.
    let other = "wx2".parse().unwrap();
    ledger.exhaust_quota(&other, now(), share).await.unwrap();
    ledger.align_quota(&other, now(), 40, 31).await.unwrap();
    let today = ledger.quota(&other, now(), share).await.unwrap();
    assert_eq!((today.used, today.limit, today.left()), (40, 40, 0));
}

pub async fn scans_remember_where_they_stopped_and_which_rooms_are_open(database: &Database) {
    let ledger = database.open().await;
    let since = at("2026-11-01T00:00:00Z");
    assert_eq!(ledger.scan_state(&appid(), since).await.unwrap(), ScanState::default());
    ledger.scan_reached(&appid(), now(), 150).await.unwrap();
    let planned = room(9, LiveStatus::NOT_STARTED);
    ledger.record_room(&planned, Phase::Later, now(), now()).await.unwrap();
    let state = ledger.scan_state(&appid(), since).await.unwrap();
    assert_eq!((state.offset, state.started_at), (150, Some(now())));
    assert_eq!(state.oldest_open_start, planned.start_time);
    ledger.scan_finished(&appid(), now(), true).await.unwrap();
    let state = ledger.scan_state(&appid(), now()).await.unwrap();
    assert_eq!((state.offset, state.full_scanned_at), (0, Some(now())));
    assert_eq!(state.oldest_open_start, None);
}

pub async fn a_checkpoint_is_saved_whole_and_only_by_the_rooms_owner(database: &Database) {
    let ledger = database.open().await;
    due(&ledger, 1, "2027-01-01T00:00:00Z").await;
    claim_any(&ledger, "a", now()).await.unwrap();
    let recording = recording("f0.mp4");
    ledger.save_recording(&appid(), RoomId(1), &recording, "a").await.unwrap();
    let id = RecordingId { appid: appid(), room: RoomId(1), source_id: recording.source_id };
    let part = |number| NewPart { number, receipt: format!("receipt {number}") };
    assert_eq!(ledger.checkpoint(&id).await.unwrap(), None);
    ledger.save_checkpoint(&id, "one", &[part(1)], "a").await.unwrap();
    let lost = ledger.save_checkpoint(&id, "stolen", &[part(2)], "b").await;
    assert!(matches!(lost, Err(Error::LeaseLost(RoomId(1)))), "{lost:?}");
    ledger.save_checkpoint(&id, "three", &[part(3), part(2)], "a").await.unwrap();
    let other = NewPart { number: 3, receipt: "another".to_owned() };
    assert!(ledger.save_checkpoint(&id, "twice", &[part(4), other], "a").await.is_err());
    let saved = ledger.checkpoint(&id).await.unwrap().unwrap();
    assert_eq!(saved.state, "three");
    assert_eq!(saved.receipts, ["receipt 1", "receipt 2", "receipt 3"]);
    let lost = ledger.rewind_checkpoint(&id, "stolen", 0, "b").await;
    assert!(matches!(lost, Err(Error::LeaseLost(RoomId(1)))), "{lost:?}");
    ledger.rewind_checkpoint(&id, "two", 2, "a").await.unwrap();
    let rewound = ledger.checkpoint(&id).await.unwrap().unwrap();
    assert_eq!((rewound.state.as_str(), rewound.receipts.len()), ("two", 2));
    let another = NewPart { number: 3, receipt: "another".into() };
    ledger.save_checkpoint(&id, "three again", &[another], "a").await.unwrap();
    ledger.clear_checkpoint(&id, "a").await.unwrap();
    assert_eq!(ledger.checkpoint(&id).await.unwrap(), None);
    ledger.save_checkpoint(&id, "anew", &[part(1)], "a").await.unwrap();
}

pub async fn the_chunks_of_a_whole_are_those_of_one_playlist_and_only_the_rooms_owner_notes_them(
    database: &Database,
) {
    let ledger = database.open().await;
    due(&ledger, 1, "2027-01-01T00:00:00Z").await;
    claim_any(&ledger, "a", now()).await.unwrap();
    let id = RecordingId { appid: appid(), room: RoomId(1), source_id: "w".into() };
    let chunk = |name: &str, stored: &str| SavedChunk { name: name.into(), stored: stored.into() };
    let (one, two) = (chunk("chunk-000000.ts", "1"), chunk("chunk-000001.ts", "2"));
    assert_eq!(ledger.begin_chunks(&id, "p", "a").await.unwrap(), []);
    ledger.save_chunk(&id, "p", &two, "a").await.unwrap();
    ledger.save_chunk(&id, "p", &chunk("chunk-000000.ts", "0"), "a").await.unwrap();
    ledger.save_chunk(&id, "p", &one, "a").await.unwrap();
    let lost = ledger.save_chunk(&id, "p", &chunk("chunk-000000.ts", "stolen"), "b").await;
    assert!(matches!(lost, Err(Error::LeaseLost(RoomId(1)))), "{lost:?}");
    for lost in [
        ledger.clear_checkpoint(&id, "b").await,
        ledger.begin_chunks(&id, "q", "b").await.map(drop),
    ] {
        assert!(matches!(lost, Err(Error::LeaseLost(RoomId(1)))), "{lost:?}");
    }
    assert_eq!(ledger.begin_chunks(&id, "p", "a").await.unwrap(), [one.clone(), two]);
    // Begun with another playlist, those of the first are gone for good.
    assert_eq!(ledger.begin_chunks(&id, "q", "a").await.unwrap(), []);
    assert_eq!(ledger.begin_chunks(&id, "p", "a").await.unwrap(), []);
    ledger.save_chunk(&id, "p", &one, "a").await.unwrap();
    ledger.clear_checkpoint(&id, "a").await.unwrap();
    assert_eq!(ledger.begin_chunks(&id, "p", "a").await.unwrap(), []);
}

pub async fn how_far_a_transfer_had_come_is_forgotten_with_its_end(database: &Database) {
    let ledger = database.open().await;
    due(&ledger, 1, "2027-01-01T00:00:00Z").await;
    claim_any(&ledger, "a", now()).await.unwrap();
    let mut recording = recording("f0.mp4");
    let id =
        RecordingId { appid: appid(), room: RoomId(1), source_id: recording.source_id.clone() };
    let part = NewPart { number: 1, receipt: "receipt".into() };
    let chunk = SavedChunk { name: "chunk-000000.ts".into(), stored: "1".into() };
    ledger.save_recording(&appid(), RoomId(1), &recording, "a").await.unwrap();
    ledger.save_checkpoint(&id, "one", &[part], "a").await.unwrap();
    ledger.save_chunk(&id, "p", &chunk, "a").await.unwrap();
    for (state, is_kept) in [(RecordingState::Failed, true), (RecordingState::Archived, false)] {
        recording.state = state;
        ledger.save_recording(&appid(), RoomId(1), &recording, "a").await.unwrap();
        assert_eq!(ledger.checkpoint(&id).await.unwrap().is_some(), is_kept, "{state:?}");
        let chunks = ledger.begin_chunks(&id, "p", "a").await.unwrap();
        assert_eq!(!chunks.is_empty(), is_kept, "{state:?}");
    }
}

pub async fn the_leases_of_an_owner_that_is_gone_are_ended(database: &Database) {
    let ledger = database.open().await;
    for id in [1, 2, 3] {
        due(&ledger, id, "2027-01-01T00:00:00Z").await;
    }
    for owner in ["gone", "gone", "here"] {
        claim_any(&ledger, owner, now()).await.unwrap();
    }
    let mut owners = ledger.lease_owners().await.unwrap();
    owners.sort();
    assert_eq!(owners, ["gone", "here"]);
    assert_eq!(ledger.void_leases("gone").await.unwrap(), 2);
    assert_eq!(ledger.lease_owners().await.unwrap(), ["here"]);
}

pub async fn an_upload_is_noted_by_the_rooms_owner_alone_and_forgotten_when_it_ends(
    database: &Database,
) {
    let ledger = database.open().await;
    due(&ledger, 1, "2027-01-01T00:00:00Z").await;
    claim_any(&ledger, "a", now()).await.unwrap();
    let intent = |name: &str| Intent {
        name: name.into(),
        appid: appid(),
        room: RoomId(1),
        key: "k".into(),
        run: "r".into(),
        begun_at: now(),
        upload_id: None,
        in_doubt: true,
    };
    let lost = ledger.intend_upload(&intent("stolen"), "b").await;
    assert!(matches!(lost, Err(Error::LeaseLost(RoomId(1)))), "{lost:?}");
    for name in ["1", "2", "3"] {
        ledger.intend_upload(&intent(name), "a").await.unwrap();
    }
    assert_eq!(ledger.intents().await.unwrap(), ["1", "2", "3"].map(intent));
    ledger.name_upload("1", "u1", false).await.unwrap();
    ledger.name_upload("2", "u2", true).await.unwrap();
    ledger.end_upload("other", "u1").await.unwrap();
    let of_object = ledger.intents_of("k").await.unwrap();
    assert_eq!(of_object, ledger.intents().await.unwrap());
    assert_eq!(of_object[0].upload_id.as_deref(), Some("u1"));
    assert_eq!(ledger.intents_of("other").await.unwrap(), []);
    ledger.end_upload("k", "u1").await.unwrap();
    ledger.end_upload("k", "u2").await.unwrap();
    assert_eq!(ledger.intents().await.unwrap(), ["2", "3"].map(intent), "2 may have a twin");
    ledger.forget_intent("2").await.unwrap();
    assert_eq!(ledger.intents().await.unwrap(), [intent("3")]);
    let owner = ledger.lease_owner(&appid(), RoomId(1)).await.unwrap();
    assert_eq!(owner.as_deref(), Some("a"));
}

pub async fn throughput_adds_up_by_host_and_recent_days_alone_count(database: &Database) {
    let ledger = database.open().await;
    assert!(ledger.throughput(now()).await.unwrap().is_empty());
    let measured = |bytes, busy_ms| {
        [ALL_HOSTS, "v.myqcloud.com"].map(|host| (host.to_owned(), Measured { bytes, busy_ms }))
    };
    let days = |days: i64| now() - SignedDuration::from_hours(24 * days);
    for (day, bytes) in [(40, 7_000), (8, 9_000), (6, 1_000), (0, 2_000), (0, 3_000)] {
        ledger.note_throughput(days(day), &measured(bytes, 2_000)).await.unwrap();
    }
    let recent = ledger.throughput(now()).await.unwrap();
    assert_eq!(recent.len(), 2);
    assert_eq!(recent[ALL_HOSTS], Measured { bytes: 6_000, busy_ms: 6_000 });
    assert_eq!(recent["v.myqcloud.com"].rate().unwrap().bytes_per_second(), 1_000);
    let of_old = ledger.throughput(days(35)).await.unwrap();
    assert_eq!(of_old[ALL_HOSTS].bytes, 15_000, "what is older than thirty days is gone");
}

pub async fn what_is_pending_is_known_with_what_is_usual(database: &Database) {
    let ledger = database.open().await;
    assert_eq!(ledger.averages(&appid()).await.unwrap(), Default::default());
    due(&ledger, 1, "2027-01-01T00:00:00Z").await;
    claim_any(&ledger, "a", now()).await.unwrap();
    let begun = recording("f0.mp4");
    let mut lost = recording("f1.mp4");
    lost.state = RecordingState::Expired;
    for recording in [&begun, &lost] {
        ledger.save_recording(&appid(), RoomId(1), recording, "a").await.unwrap();
    }
    let id = RecordingId { appid: appid(), room: RoomId(1), source_id: begun.source_id.clone() };
    let backlog = || async { ledger.backlogs(&[appid()]).await.unwrap().remove(&appid()).unwrap() };
    let Backlog { rooms, recordings, .. } = backlog().await;
    assert_eq!((rooms.len(), rooms[0].room_id, rooms[0].phase), (1, RoomId(1), Phase::Due));
    assert_eq!((recordings.len(), recordings[0].is_begun), (1, false));
    ledger.save_checkpoint(&id, "one", &[], "a").await.unwrap();
    let pending = backlog().await.recordings.remove(0);
    assert_eq!(
        (pending.room, pending.source_id, pending.is_begun),
        (RoomId(1), id.source_id, true)
    );
    assert_eq!((pending.expires, pending.created), (None, begun.create_time.at));
}

pub async fn one_process_refreshes_a_platforms_tokens(database: &Database) {
    let clock = Clock::manual(now());
    let ledger = database.open_timed(&clock).await;
    let take = async |platform: &str, owner: &str| {
        let taken = ledger.take_refreshing(&platform.parse().unwrap(), owner, LEASE).await;
        taken.unwrap().map(|other| other.owner)
    };
    assert_eq!(take("wxp", "a").await, None);
    assert_eq!(take("wxp", "b").await.as_deref(), Some("a"));
    assert_eq!(take("wxq", "b").await, None, "another platform");
    clock.advance(LEASE - SignedDuration::from_secs(1));
    assert_eq!(take("wxp", "a").await, None, "it is renewed");
    clock.advance(LEASE - SignedDuration::from_secs(1));
    assert_eq!(take("wxp", "b").await.as_deref(), Some("a"));
    clock.advance(SignedDuration::from_secs(2));
    assert_eq!(take("wxp", "b").await, None, "it has expired");
    assert_eq!(take("wxp", "a").await.as_deref(), Some("b"));
    ledger.end_refreshing("a").await.unwrap();
    assert_eq!(take("wxp", "a").await.as_deref(), Some("b"), "a cannot end what b has");
    ledger.void_leases("b").await.unwrap();
    assert_eq!(take("wxp", "a").await, None, "b is gone");
}

pub async fn no_rule_leaves_out_what_is_archived(database: &Database) {
    let ledger = database.open().await;
    for id in [1, 2] {
        due(&ledger, id, "2027-01-01T00:00:00Z").await;
    }
    let mut archived = claim_any(&ledger, "a", now()).await.unwrap();
    let id = archived.room.room_id;
    // Archived as far as it goes, and due again.
    let digest = replay_archiver::model::Sha256Digest::of(b"manifest");
    archived.sealed = Some(replay_archiver::model::Sealed {
        status: replay_archiver::model::RoomStatus::Partial,
        revision: 1,
        sha256: digest,
        summary: Default::default(),
    });
    archived.phase = Phase::Due;
    ledger.save_room(&archived, "a").await.unwrap();
    ledger.release(&appid(), id, "a").await.unwrap();
    let out = [1, 2].map(|id| (RoomId(id), Choice::Out("names".to_owned())));
    let phases = async || {
        let mut phases = Vec::new();
        for room in [1, 2] {
            let record = ledger.room(&appid(), RoomId(room)).await.unwrap().unwrap();
            phases.push((record.phase, record.left_out.is_some()));
        }
        phases.sort_by_key(|(phase, _)| format!("{phase:?}"));
        phases
    };
    let expected = [(Phase::Due, false), (Phase::LeftOut, true)];
    ledger.choose_rooms(&appid(), &out).await.unwrap();
    assert_eq!(phases().await, expected);
    for id in [1, 2] {
        let (room, phase, deadline, next_at) =
            (&room(id, LiveStatus::ENDED), Phase::Due, now(), now());
        let listed = NewRoom { room, phase, deadline, next_at, left_out: Some("names") };
        ledger.record_rooms(&[listed]).await.unwrap();
    }
    assert_eq!(phases().await, expected, "also when it is listed again");
}
