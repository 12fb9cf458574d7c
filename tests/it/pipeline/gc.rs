//! What a killed run leaves in the store: found, proved to be ours, and nothing else aborted.

use std::time::Duration;

use jiff::SignedDuration;
use replay_archiver::cli::gc::{GcArguments, collect};
use replay_archiver::cli::{Common, Exit};
use replay_archiver::ledger::{Intent, LeaseRequest};
use replay_archiver::model::{AppId, RoomId, Sha256Digest};
use replay_archiver::pipeline::{self, Selection};
use replay_archiver::stage::transfer::{Leftovers, Verdict, leftovers};
use tokio_util::sync::CancellationToken;

use super::world::World;
use crate::strict::{Effect, Provider, Request, Upload};

/// One recording of two parts.
const ROOM: &str = "
[[account.room]]
id = 1
start = \"-9d\"
[[account.room.replay]]
size = \"6MiB\"
";
const PARTS: &str = "[transfer]\npart_size = \"5MiB\"\n";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Whether a request begins an upload.
fn begins(request: &Request) -> bool {
    request.method == "POST" && request.asks("uploads")
}

/// Runs until the store has seen `request`, whose answer never comes, and is killed then.
async fn killed_at(world: &World, request: fn(&Request) -> bool) {
    world.front.strict().fault(move |found| request(found).then_some(Effect::Hang));
    let setup = world.setup().await;
    let stop = CancellationToken::new();
    let run =
        Box::pin(pipeline::run(setup.context.clone(), &setup.accounts, &Selection::Due, stop));
    let seen = async {
        while !world.front.strict().requests().iter().any(request) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = run => panic!("the run has ended"),
        () = seen => {}
    }
    setup.context.ledger.close().await;
    world.heal();
}

async fn look(world: &World, older_than: Duration) -> Leftovers {
    let setup = world.setup().await;
    let prefixes = [setup.context.store.prefix().to_owned()];
    let found =
        leftovers(setup.context.records(), &prefixes, older_than, &|_| false).await.unwrap();
    setup.context.ledger.close().await;
    found
}

/// `gc --older-than 24h`, with or without `--abort`; returns what is left in the store.
async fn gc(world: &World, abort: bool) -> Vec<Upload> {
    let common = Common { config: None, accounts: Vec::new(), json: true };
    let arguments = GcArguments { older_than: DAY, abort };
    let exit = collect(&common, &arguments, world.setup().await).await.unwrap();
    assert_eq!(exit, Exit::Done);
    assert_eq!(world.front.violations(), [""; 0]);
    world.front.strict().uploads()
}

async fn intents(world: &World) -> Vec<Intent> {
    let setup = world.setup().await;
    let intents = setup.context.ledger.intents().await.unwrap();
    setup.context.ledger.close().await;
    intents
}

fn verdicts(found: &Leftovers) -> Vec<(&str, Verdict)> {
    found.uploads.iter().map(|upload| (upload.key.as_str(), upload.verdict)).collect()
}

#[tokio::test]
async fn what_a_kill_leaves_before_the_checkpoint_is_aborted_and_nothing_of_anybody_elses() {
    let world = World::with_settings(ROOM, PARTS).await;
    killed_at(&world, begins).await;
    let ours = world.front.strict().uploads().remove(0);
    assert_eq!(intents(&world).await[0].upload_id, None, "its id never reached the ledger");
    let earlier = ours.initiated - SignedDuration::from_mins(10);
    let mut foreign = vec![world.front.strict().begin_foreign_upload(&ours.key, earlier)];
    for similar in ["", ".part", "x", "/y"].map(|tail| format!("{}z{tail}", ours.key)) {
        foreign.push(world.front.strict().begin_foreign_upload(&similar, ours.initiated));
    }
    world.front.strict().begin_foreign_upload("elsewhere/a", earlier);
    world.pass(3 * 24 * 60);

    let before = (world.front.strict().uploads(), intents(&world).await);
    world.front.take();
    let found = look(&world, DAY).await;
    assert_eq!(found.count(Verdict::Orphaned), 1, "{:?}", verdicts(&found));
    assert_eq!(found.count(Verdict::Unproven), foreign.len(), "{:?}", verdicts(&found));
    let listings = world.front.take();
    assert!(listings.len() > 2, "several pages: {listings:?}");
    gc(&world, false).await;
    assert!(world.front.take().iter().all(|request| !request.is_write()));
    assert_eq!(
        (world.front.strict().uploads(), intents(&world).await),
        before,
        "nothing was changed"
    );

    let left = gc(&world, true).await;
    let ids: Vec<_> = left.iter().map(|upload| &upload.id).collect();
    assert!(!ids.contains(&&ours.id) && foreign.iter().all(|id| ids.contains(&id)), "{left:?}");
    assert_eq!(left.len(), foreign.len() + 1);
    gc(&world, true).await;
    assert_eq!(intents(&world).await, [], "no upload is left of it");
}

#[tokio::test]
async fn an_upload_that_a_checkpoint_owns_is_left_alone_and_gone_on_with() {
    let world = World::with_settings(ROOM, PARTS).await;
    killed_at(&world, |request| request.query.contains("partNumber=2")).await;
    let upload = world.front.strict().uploads();
    world.pass(3 * 24 * 60);
    assert_eq!(verdicts(&look(&world, DAY).await), [(upload[0].key.as_str(), Verdict::InUse)]);
    assert_eq!(gc(&world, true).await, upload);
    let night = world.run().await;
    night.says(1, "complete", &["archived"]);
    let begun = night.store.iter().filter(|request| begins(request)).count();
    assert_eq!((begun, world.front.strict().uploads().len()), (0, 0));
    assert_eq!(intents(&world).await, []);
}

#[tokio::test]
async fn an_upload_is_left_alone_while_its_room_is_worked_on_or_it_is_young() {
    let world = World::with_settings(ROOM, PARTS).await;
    killed_at(&world, begins).await;
    let found = look(&world, Duration::ZERO).await;
    assert_eq!(found.count(Verdict::InUse), 1, "its room is leased: {found:?}");
    world.pass(60);
    assert_eq!(look(&world, DAY).await.count(Verdict::Recent), 1);
    assert_eq!(look(&world, Duration::ZERO).await.count(Verdict::Orphaned), 1);
    assert_eq!(gc(&world, true).await.len(), 1, "it is an hour old");
}

#[tokio::test]
async fn an_upload_whose_answer_was_lost_is_found_after_its_twin_was_completed() {
    let world = World::with_settings(ROOM, PARTS).await;
    let lost = std::sync::atomic::AtomicBool::new(false);
    world.front.strict().fault(move |request| {
        let first = begins(request) && !lost.swap(true, std::sync::atomic::Ordering::SeqCst);
        first.then_some(Effect::LostReply)
    });
    let night = world.run().await;
    night.says(1, "complete", &["archived"]);
    assert_eq!(world.front.strict().uploads().len(), 1);
    world.pass(3 * 24 * 60);
    let objects = world.front.objects();
    assert_eq!(gc(&world, true).await, []);
    assert_eq!(world.front.objects(), objects, "no object is touched");
    gc(&world, true).await;
    assert_eq!(intents(&world).await, []);
}

#[tokio::test]
async fn an_upload_that_ends_well_leaves_nothing_to_collect() {
    let world = World::with_settings(ROOM, PARTS).await;
    world.run().await;
    assert_eq!((intents(&world).await, world.front.strict().uploads()), (vec![], vec![]));
}

#[tokio::test]
async fn where_the_store_cannot_list_the_ids_that_the_ledger_knows_are_aborted() {
    let world = World::on_store(Provider::Oss, ROOM, PARTS).await;
    world.run().await;
    let key = "live/wx1/rooms/1/segments/gone.mp4";
    let id = world.front.strict().begin_foreign_upload(key, world.clock.now());
    let setup = world.setup().await;
    let (ledger, appid): (_, AppId) = (&setup.context.ledger, "wx1".parse().unwrap());
    let lease = SignedDuration::from_mins(5);
    let claim =
        LeaseRequest { owner: "dead", now: world.clock.now(), due_by: world.clock.now(), lease };
    ledger.claim_room(&appid, RoomId(1), claim).await.unwrap().unwrap();
    let intent = Intent {
        name: "n".into(),
        appid: appid.clone(),
        room: RoomId(1),
        key: key.into(),
        run: "r".into(),
        begun_at: world.clock.now(),
        upload_id: None,
        in_doubt: true,
    };
    ledger.intend_upload(&intent, "dead").await.unwrap();
    ledger.name_upload("n", &id, false).await.unwrap();
    setup.context.ledger.close().await;
    world.front.strict().begin_foreign_upload(key, world.clock.now());
    world.pass(3 * 24 * 60);
    let found = look(&world, DAY).await;
    assert_eq!((found.listed, verdicts(&found)), (false, vec![(key, Verdict::Orphaned)]));
    assert_eq!(gc(&world, true).await.len(), 1, "the one the ledger does not know");
    assert_eq!(intents(&world).await, []);
}

/// Rewrites the one checkpoint of a ledger as if it owned another upload, its digest included.
async fn tamper(world: &World, key: &str, upload: &str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(world.ledger());
    let mut ledger = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let kept = "select checkpoint from recordings where checkpoint is not null";
    let kept: String = sqlx::query_scalar(kept).fetch_one(&mut ledger).await.unwrap();
    let mut state: serde_json::Value =
        serde_json::from_str(kept.split_once(' ').unwrap().1).unwrap();
    (state["key"], state["upload"]["id"]) = (key.into(), upload.into());
    let text = state.to_string();
    let sealed = format!("{} {text}", Sha256Digest::of(text.as_bytes()));
    let update = "update recordings set checkpoint = $1 where checkpoint is not null";
    sqlx::query(update).bind(sealed).execute(&mut ledger).await.unwrap();
}

#[tokio::test]
async fn a_ledger_that_names_the_uploads_of_others_does_not_get_them_aborted() {
    const OTHERS: [&str; 3] =
        ["payroll.xlsx", "live/wx2/rooms/1/segments/a.mp4", "live/wx1/rooms/1/../2/a.mp4"];
    for key in OTHERS {
        let world = World::with_settings(ROOM, PARTS).await;
        killed_at(&world, |request| request.query.contains("partNumber=2")).await;
        let foreign = world.front.strict().begin_foreign_upload(key, world.clock.now());
        tamper(&world, key, &foreign).await;
        // By then the recording is gone, and what was begun of it is given up.
        world.pass(400 * 24 * 60);
        let night = world.run().await;
        night.says(1, "lost", &["expired"]);
        let left = world.front.strict().uploads();
        assert!(left.iter().any(|upload| upload.id == foreign), "{key}: {left:?}");
        assert!(!night.store.iter().any(|request| request.method == "DELETE"), "{key}");
    }
}

#[tokio::test]
async fn gc_believes_no_intent_that_names_a_key_outside_its_room() {
    let world = World::with_settings(ROOM, PARTS).await;
    killed_at(&world, begins).await;
    let key = "live/wx2/rooms/1/segments/a.mp4";
    let foreign = world.front.strict().begin_foreign_upload(key, world.clock.now());
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(world.ledger());
    let mut ledger = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let update = "update uploads set object_key = $1, upload_id = $2";
    let changed = sqlx::query(update).bind(key).bind(&foreign).execute(&mut ledger).await.unwrap();
    assert_eq!(changed.rows_affected(), 1);
    world.pass(3 * 24 * 60);
    let found = look(&world, DAY).await;
    assert_eq!(found.count(Verdict::Unproven), 2, "{:?}", verdicts(&found));
    assert!(gc(&world, true).await.iter().any(|upload| upload.id == foreign));
}
