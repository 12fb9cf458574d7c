//! What others do in the moments before a manifest is published.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use replay_archiver::model::ObjectKey;
use replay_archiver::pipeline::RoomOutcome;
use sqlx::Executor as _;

use crate::ledger;
use crate::pipeline::world::{Night, World};

const ROOM: &str = "[[account.room]]\nid = 1\nstart = \"-9d\"\n[[account.room.replay]]\n";

/// A picture in a room's folder: the run's listing shows it, so the room's manifest is looked for.
const PICTURE: &str = "live/wx1/rooms/1/images/cover.jpg";

const MANIFEST: &str = "/replays/live/wx1/rooms/1/manifest.json";

/// Gives room 1 to another owner, now.
fn take_over(ledger: &Path) {
    let url = format!("sqlite:{}", ledger.display());
    let taking = async {
        let theirs = "update rooms set lease_owner = 'another', lease_until = lease_until + 1";
        ledger::connect(&url).await.execute(theirs).await.unwrap();
    };
    let alone = || tokio::runtime::Runtime::new().unwrap().block_on(taking);
    std::thread::scope(|scope| scope.spawn(alone).join().unwrap());
}

fn failure(night: &Night) -> String {
    match &night.report.rooms[0].outcome {
        RoomOutcome::Failed(why) => why.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_is_taken_over_while_it_is_sealed_is_left_to_its_new_owner() {
    // The manifest is looked for by the adoption first, and by the seal then.
    for (method, ending, nth, sums) in
        [("GET", "/manifest.json", 2, false), ("PUT", ".json", 1, true)]
    {
        let world = World::start(ROOM).await;
        world.front.place(PICTURE, "old");
        let (ledger, seen) = (world.ledger(), AtomicU32::new(0));
        world.front.refuse(move |asked, path| {
            let is_it = asked == method && path.ends_with(ending);
            if is_it && seen.fetch_add(1, Ordering::Relaxed) + 1 == nth {
                take_over(&ledger);
            }
            None
        });
        let night = world.unchecked_run().await;
        assert!(failure(&night).contains("reclaimed"), "{method}: {:?}", night.report);
        assert_eq!(night.exit, 3);
        assert!(!night.bucket.has_manifest(1), "{method}");
        assert_eq!(night.bucket.keys("/SHA256SUMS").len(), usize::from(sums), "{method}");
    }
}

/// The process sleeps between the look at its lease and the PUT.
#[tokio::test(flavor = "multi_thread")]
async fn a_picture_of_a_room_that_was_reclaimed_meanwhile_is_not_replaced() {
    let world = Arc::new(World::start(ROOM).await);
    let (ledger, other) = (world.ledger(), Arc::clone(&world));
    world.front.refuse(move |method, path| {
        if method == "PUT"
            && path.ends_with(PICTURE)
            && !other.front.objects().contains_key(PICTURE)
        {
            take_over(&ledger);
            other.front.place(PICTURE, "theirs");
        }
        None
    });
    world.unchecked_run().await;
    assert_eq!(world.front.objects()[PICTURE], "theirs");
}

/// The other one sleeps as well: what the store knows is all there is.
#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_appeared_since_it_was_looked_for_is_not_replaced() {
    const THEIRS: &str = "{\"theirs\": true}";
    // Of a room that the listing shows nothing of, what appeared is read, to be followed.
    for (was_listed, reason) in
        [(true, "another process published"), (false, "not a manifest that this version can read")]
    {
        let world = Arc::new(World::start(ROOM).await);
        if was_listed {
            world.front.place(PICTURE, "old");
        }
        let other = Arc::clone(&world);
        world.front.refuse(move |method, path| {
            if method == "PUT" && path == MANIFEST {
                other.front.place("live/wx1/rooms/1/manifest.json", THEIRS);
            }
            None
        });
        let night = world.unchecked_run().await;
        let why = failure(&night);
        assert!(why.contains(reason) && why.contains("hint: "), "{why}");
        assert_eq!(night.exit, 3);
        assert_eq!(world.front.objects()["live/wx1/rooms/1/manifest.json"], THEIRS);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_whose_reply_was_lost_is_recognised_as_its_own() {
    let world = World::start(ROOM).await;
    let first = AtomicU32::new(0);
    world.front.strict().fault(move |request| {
        let is_it = request.method == "PUT" && MANIFEST.ends_with(&request.key);
        let is_first = is_it && first.fetch_add(1, Ordering::Relaxed) == 0;
        is_first.then_some(crate::strict::Effect::LostReply)
    });
    let night = world.run().await;
    night.says(1, "complete", &["archived"]);
    assert_eq!(night.exit, 0);
    let puts = night.store.iter().filter(|r| r.method == "PUT" && r.key.ends_with("manifest.json"));
    let statuses: Vec<u16> = puts.map(|request| request.status).collect();
    assert_eq!(statuses, [0, 412], "the second attempt was not told of the first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_revision_replaces_the_manifest_it_was_made_from_and_no_other() {
    let world = World::start(ROOM).await;
    assert_eq!(world.run().await.exit, 0);
    let store = world.store().await;
    let key = ObjectKey::new("live/wx1/rooms/1/manifest.json");
    let (read, etag) = store.get_tagged(&key).await.unwrap().unwrap();
    let labels = replay_archiver::store::Labels { content_type: "application/json", metadata: &[] };
    let put = async |bytes: &'static [u8], etag: &str| {
        let version = replay_archiver::store::Precondition::Version(etag);
        store.put_if(&key, bytes.into(), labels, version).await.unwrap().is_some()
    };
    let etag = etag.unwrap();
    assert!(put(b"newer", &etag).await);
    assert!(!put(b"from the old one", &etag).await);
    assert_eq!(store.get(&key).await.unwrap().unwrap().as_ref(), b"newer");
    assert_ne!(read.as_ref(), b"newer");
}
