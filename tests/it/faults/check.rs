//! The one check that every row goes through.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Duration;

use replay_archiver::cli::{Exit, notes};
use replay_archiver::clock;
use replay_archiver::config::Config;
use replay_archiver::model::Reason;
use replay_archiver::pipeline::{RoomOutcome, Selection};
use replay_archiver::sandbox::scenario::Scenario;

use super::expect::Expect;
use super::log::Log;
use crate::bucket::Bucket;
use crate::pipeline::world::{APP_SECRET, Night, STORE_SECRET, TOKEN, World};

/// Room 1: archived before anything goes wrong.
const BEFORE: &str = "[[account.room]]\nid = 1\nstart = \"-9d\"\n[[account.room.replay]]\n";

/// Room 3: found in the same night as the one that suffers.
const NEIGHBOUR: &str =
    "[[account.room]]\nid = 3\nstart = \"-4d\"\n[[account.room.replay]]\nsigned = \"2h\"\n";

/// Parts as small as S3 lets them be.
const PARTS: &str = "[transfer]\npart_size = \"5MiB\"\n";

/// No night takes longer: what does hangs.
const LONGEST: Duration = Duration::from_secs(300);

/// How long a media host may be silent, where a row does not wait for just that: longer than a busy
/// machine keeps a server from answering.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Rows at once. They wait more than they work.
const AT_ONCE: usize = 4;

/// What no log line and no message may hold, beside the secrets: parts of signed URLs.
const SIGNED: [&str; 4] = ["sign=", "access_token=", "X-Amz-Signature", "Signature="];

/// Something done to a world.
pub type Act = Box<dyn Fn(&World) + Send + Sync>;

/// A row: a fault and what comes of it.
pub struct Row {
    pub name: String,
    /// What room 2 is like, as written in a scenario.
    pub room: &'static str,
    /// What goes wrong, from before the second night on.
    pub strike: Act,
    /// How it ends, beside what [`World::heal`] does.
    pub heal: Act,
    /// A look at the world when all nights are over.
    pub after: Act,
    /// The configuration, where it matters.
    pub config: fn(&mut Config),
    /// What is wrong with the configuration of that night, where it is that.
    pub ill: fn(&mut Config),
    /// Whether the sandbox has to have played a fault in that night.
    pub is_scripted: bool,
    /// Minutes until the next night.
    pub wait: i64,
    pub expect: Expect,
}

/// A recording of room 2 that is one part.
pub const SMALL: &str = "[[account.room.replay]]\n";

/// One of two parts.
pub const LARGE: &str = "[[account.room.replay]]\nsize = \"6MiB\"\n";

/// A row whose fault is one of the sandbox's, as written in a scenario.
pub fn scripted(name: &str, room: &'static str, faults: &[String], expect: Expect) -> Row {
    let faults = faults.to_vec();
    let strike = move |world: &World| faults.iter().for_each(|fault| world.fault(fault));
    Row { is_scripted: true, ..acted(name, room, strike, expect) }
}

/// A row whose fault is an act.
pub fn acted(
    name: &str,
    room: &'static str,
    strike: impl Fn(&World) + Send + Sync + 'static,
    expect: Expect,
) -> Row {
    let strike: Act = Box::new(strike);
    let (heal, after): (Act, Act) = (Box::new(|_| {}), Box::new(|_| {}));
    let (name, as_it_is) = (name.to_owned(), (|_| {}) as fn(&mut Config));
    let (config, ill) = (as_it_is, as_it_is);
    Row { name, room, strike, heal, after, config, ill, is_scripted: false, wait: 0, expect }
}

/// Checks rows, some at once, each on a thread of its own, and tells of all that are wrong.
pub fn check_all(rows: Vec<Row>) {
    let count = rows.len();
    let (queue, wrong) = (Mutex::new(rows.into_iter()), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let Some(row) = queue.lock().unwrap().next() else { return };
            let outcome = catch_unwind(AssertUnwindSafe(|| check_alone(&row)));
            if outcome.is_err() {
                wrong.lock().unwrap().push(row.name);
            }
        }
    };
    std::thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(work))));
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {count} rows are wrong: {wrong:#?}", wrong.len());
}

fn check_alone(row: &Row) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(check(row));
}

/// What a person and the bucket see of a night.
struct Seen {
    exit: u8,
    told: String,
    bucket: Bucket,
    night: Option<Night>,
}

/// An undisturbed night, one with the fault, and one after it is over.
async fn check(row: &Row) {
    let name = &row.name;
    let (log, _guard) = Log::begin();
    let world = World::with_settings(BEFORE, PARTS).await;
    let first = night(&world, row, |_| {}).await;
    assert_eq!((first.exit, first.told.as_str()), (0, ""), "{name}: the night before");
    assert_eq!(first.bucket.manifest(1)["status"], "complete", "{name}: the night before");
    log.take();

    add_rooms(&world, row.room);
    (row.strike)(&world);
    let calls = world.sandbox.calls().len();
    let second = night(&world, row, row.ill).await;
    let struck = world.sandbox.calls().split_off(calls).iter().any(|call| call.fault);
    assert!(struck || !row.is_scripted, "{name}: it never struck");
    assert_night(row, &second, &log);
    assert_kept(name, &first.bucket, &second.bucket);

    world.heal();
    (row.heal)(&world);
    world.pass(row.wait);
    let third = night(&world, row, |_| {}).await;
    let (text, _) = log.take();
    assert_healed(row, &third);
    assert_true(&world, row, &third).await;
    assert_no_secret(name, &text);
    assert_kept(name, &first.bucket, &third.bucket);
    assert_kept(name, &second.bucket, &third.bucket);
    (row.after)(&world);
}

/// Rooms 2 and 3, which end before the second night.
fn add_rooms(world: &World, recordings: &str) {
    let text = format!(
        "[[account]]\nappid = \"x\"\nsecret = \"x\"\n[[account.room]]\nid = 2\nstart = \"-5d\"\n\
         {recordings}{NEIGHBOUR}"
    );
    let mut parsed = Scenario::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let rooms = std::mem::take(&mut parsed.accounts[0].rooms);
    world.sandbox.update(|scenario| scenario.accounts[0].rooms.extend(rooms));
}

/// A run as the command makes it: what it tells goes to the person, whatever became of it.
async fn night(world: &World, row: &Row, ill: fn(&mut Config)) -> Seen {
    let change = |config: &mut Config| {
        config.images = None;
        config.media.timeouts.read = READ_TIMEOUT;
        (row.config)(config);
        ill(config);
    };
    let run = Box::pin(world.try_night(&Selection::Due, change));
    let night = clock::within(LONGEST, run).await;
    let night = night.unwrap_or_else(|_| panic!("{}: it hangs", row.name));
    let bucket = world.bucket();
    bucket.check(&[APP_SECRET, TOKEN, STORE_SECRET].map(str::to_owned));
    let (exit, told, night) = match night {
        Ok(night) => (night.exit, notes(&night.report).join("\n"), Some(night)),
        Err(error) => {
            let told = format!("error: {}", Reason::of(error.as_ref()));
            (Exit::of_error(&error).code(), told, None)
        }
    };
    assert_no_secret(&row.name, &told);
    Seen { exit, told, bucket, night }
}

fn assert_night(row: &Row, seen: &Seen, log: &Log) {
    let (Row { name, expect, .. }, (text, lines)) = (row, log.take());
    let outcome = format!("{name}: {}\n{text}", seen.told);
    assert!(expect.exit == 0 || !expect.told.is_empty(), "{name} says why");
    assert_eq!(seen.exit, expect.exit, "exit of {outcome}");
    assert_room(&outcome, &seen.bucket, expect.status, expect.states, expect.told);
    assert_eq!(status(&seen.bucket, 3), expect.neighbour, "neighbour of {outcome}");
    if expect.told.is_empty() {
        assert_eq!(seen.told, "", "{outcome}");
    } else {
        assert_eq!(seen.told.matches(expect.told).count(), expect.times, "told by {outcome}");
    }
    let hints: Vec<&str> = seen.told.lines().filter(|line| line.starts_with("hint: ")).collect();
    match hints.as_slice() {
        [] => assert_eq!(expect.hint, "", "hint of {outcome}"),
        [hint] => {
            assert!(!expect.hint.is_empty() && hint.contains(expect.hint), "hint of {outcome}");
            assert!(hint.contains(" [RA") && hint.ends_with(']'), "code of the hint of {outcome}");
        }
        _ => panic!("{} hints in {outcome}", hints.len()),
    }
    let telling =
        lines.iter().filter(|line| !expect.told.is_empty() && line.text.contains(expect.told));
    let logged = telling.filter(|line| !line.is_detail()).count();
    assert_eq!(logged, expect.logged, "log of {outcome}");
    let rooms = seen.night.iter().flat_map(|night| &night.report.rooms);
    let failed = rooms.filter(|room| matches!(room.outcome, RoomOutcome::Failed(_))).count();
    let loud = lines.iter().filter(|line| line.is_loud()).count();
    assert_eq!(loud, expect.loud + failed, "loud lines of {outcome}");
    assert_no_secret(name, &text);
}

fn assert_healed(row: &Row, seen: &Seen) {
    let (name, expect) = (&row.name, &row.expect);
    let outcome = format!("{name}: the night after: {}", seen.told);
    assert_eq!(seen.exit, expect.healed, "exit of {outcome}");
    assert_room(&outcome, &seen.bucket, expect.healed_status, expect.healed_states, "");
    assert_eq!(status(&seen.bucket, 3), "complete", "neighbour of {outcome}");
}

/// What room 2 has archived is what the media host serves to anybody, byte for byte.
async fn assert_true(world: &World, row: &Row, seen: &Seen) {
    let Some(night) = &seen.night else { return };
    let is_plain = !row.room.contains("signed") && !row.room.contains("whole");
    let states = row.expect.healed_states.iter().enumerate();
    for (segment, _) in states.filter(|(_, state)| is_plain && **state == "archived") {
        let (object, source) = night.object(2, segment);
        assert!(object == world.fetch(&source).await, "{}: other bytes are archived", row.name);
    }
}

/// Room 2's manifest says this, and gives `reason` for what is not archived.
fn assert_room(outcome: &str, bucket: &Bucket, expected: &str, states: &[&str], reason: &str) {
    assert_eq!(status(bucket, 2), expected, "room of {outcome}");
    if expected.is_empty() {
        return;
    }
    let manifest = bucket.manifest(2);
    let whole = Some(&manifest["whole"]).filter(|whole| !whole.is_null());
    let found: Vec<_> = manifest["segments"].as_array().unwrap().iter().chain(whole).collect();
    let said: Vec<&str> = found.iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(said, states, "states of {outcome}");
    for one in found.iter().filter(|one| one["state"] != "archived") {
        let given = one["reason"].as_str().unwrap();
        assert!(given.contains(reason), "reason {given:?} of {outcome}");
        assert!(!given.contains("hint:"), "a hint is for people: {given:?} of {outcome}");
    }
}

/// The status in a room's manifest; nothing without one.
fn status(bucket: &Bucket, room: u64) -> String {
    if !bucket.has_manifest(room) {
        return String::new();
    }
    bucket.manifest(room)["status"].as_str().unwrap().to_owned()
}

/// Nothing that was archived is gone or another: all objects that a manifest named, and the manifests
/// of rooms that were complete.
fn assert_kept(name: &str, before: &Bucket, after: &Bucket) {
    for (key, bytes) in archived(before) {
        assert!(after.objects.get(&key) == Some(&bytes), "{name}: {key} has changed");
    }
}

fn archived(bucket: &Bucket) -> BTreeMap<String, Vec<u8>> {
    let mut kept = BTreeMap::new();
    for key in bucket.keys("/manifest.json") {
        let manifest = bucket.json(key);
        let folder = key.strip_suffix("manifest.json").unwrap();
        let is_done = ["complete", "lost"].contains(&manifest["status"].as_str().unwrap());
        let named = |key: &str| {
            let text = manifest.to_string();
            key.strip_prefix(folder).is_some_and(|key| text.contains(&format!("{key:?}")))
        };
        let objects = bucket.objects.iter().filter(|(key, _)| {
            let is_folders = is_done && key.starts_with(folder);
            is_folders || named(key)
        });
        kept.extend(objects.map(|(key, bytes)| (key.clone(), bytes.clone())));
    }
    kept
}

fn assert_no_secret(name: &str, text: &str) {
    for secret in [APP_SECRET, TOKEN, STORE_SECRET].iter().chain(&SIGNED) {
        assert!(!text.contains(secret), "{name}: {secret} in {text}");
    }
}
