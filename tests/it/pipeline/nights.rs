//! Months of random nights: hosts that fail, WeChat that deletes early, runs that are killed, settings
//! that change, objects and ledgers that are lost. Whatever happens, every recording is archived, or lost
//! and told once, or tried again at a known time and told of every night.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use replay_archiver::cli::notes;
use replay_archiver::clock;
use replay_archiver::config::Config;
use replay_archiver::model::{Recording, RecordingState, RoomId};
use replay_archiver::net_guard::HostPolicy;
use replay_archiver::pipeline::Selection;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::ledger_lost::lose_ledger;
use super::waiting::killed_run;
use super::world::{Night, World};
use crate::bucket::text;
use crate::canaries;

/// Two segments; a segment, one on a host whose name means nothing, and one that cannot be fetched; a whole;
/// a segment and a longer whole; a segment behind a signature.
const ROOMS: &str = "
[[account.room]]
id = 1
start = \"-9d\"
[[account.room.replay]]
expire = \"+10d\"
[[account.room.replay]]
expire = \"+10d\"
[[account.room]]
id = 2
start = \"-9d\"
[[account.room.replay]]
expire = \"+25d\"
[[account.room.replay]]
expire = \"+25d\"
media_url = \"http://media.invalid/a/f0.mp4\"
[[account.room.replay]]
expire = \"+25d\"
media_url = \"ftp://media.example/a/f0.mp4?sign=x\"
[[account.room]]
id = 3
start = \"-9d\"
[[account.room.replay]]
kind = \"whole\"
seconds = 6
expire = \"+40d\"
[[account.room]]
id = 4
start = \"-9d\"
[[account.room.replay]]
expire = \"+50d\"
[[account.room.replay]]
kind = \"whole\"
seconds = 8
expire = \"+50d\"
[[account.room]]
id = 5
start = \"-9d\"
[[account.room.replay]]
signed = \"2h\"
expire = \"+60d\"
";

const FAULTS: [&str; 12] = [
    "on = \"vod\"\ntimes = \"always\"\nthen = \"html\"",
    "on = \"vod\"\ntimes = \"always\"\nthen = \"empty\"",
    "on = \"vod\"\ntimes = \"always\"\nthen = { status = { code = 404 } }",
    "on = \"vod\"\ntimes = \"always\"\nthen = { status = { code = 500 } }",
    "on = \"vod\"\nroom = 2\ntimes = \"always\"\nthen = { reset = { at = 0 } }",
    "on = \"vod\"\nroom = 4\nitem = 1\ntimes = \"always\"\nthen = \"no-moov\"",
    "on = \"vod\"\npath = \"*x.ts\"\nquery = \"start=63732&*\"\ntimes = \"always\"\nthen = { status = { code = 404 } }",
    "on = \"vod\"\npath = \"*.m3u8\"\ntimes = \"always\"\nthen = { status = { code = 404 } }",
    "on = \"api\"\ncall = \"replays\"\ntimes = \"always\"\nthen = { errcode = { code = -1 } }",
    "on = \"api\"\ncall = \"replays\"\ntimes = \"always\"\nthen = { errcode = { code = 9410003 } }",
    "on = \"api\"\ncall = \"replays\"\ntimes = \"always\"\nthen = { errcode = { code = 300022 } }",
    "on = \"api\"\ncall = \"rooms\"\ntimes = \"always\"\nthen = \"html\"",
];

/// A generator of random numbers that is the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[usize::try_from(self.below(items.len() as u64)).unwrap()]
    }
}

#[tokio::test]
async fn months_of_random_nights_give_up_nothing_in_silence() {
    for seed in SEEDS {
        Box::pin(Story::begin(seed).await.play()).await;
    }
}

const SEEDS: [u64; 2] = [1, 2];

struct Story {
    world: World,
    dice: Dice,
    seed: u64,
    /// Rooms that WeChat has deleted before it said.
    deleted: Vec<u64>,
    /// The losses that were told, with the exit code.
    told: BTreeMap<(RoomId, String), u8>,
}

impl Story {
    async fn begin(seed: u64) -> Self {
        let world = World::start(ROOMS).await;
        Self { world, dice: Dice(seed), seed, deleted: Vec::new(), told: BTreeMap::new() }
    }

    async fn play(mut self) {
        for number in 0..40 {
            self.befall(number);
            let is_forbidden = self.dice.below(5) == 0;
            let night = self.night(is_forbidden).await;
            self.check(night.as_ref()).await;
            self.world.pass(i64::try_from(self.dice.below(72 * 60) + 60).unwrap());
        }
        self.end().await;
    }

    /// What goes wrong before a night.
    fn befall(&mut self, number: u64) {
        self.world.heal();
        // Good nights are rare, and nothing is well before the third week.
        for _ in 0..self.dice.below(3) + u64::from(number < 6) {
            let fault: &&str = self.dice.pick(&FAULTS);
            self.world.fault(fault);
        }
        if self.dice.below(16) == 0 {
            self.deleted.push(self.dice.below(5) + 1);
        }
        for room in &self.deleted {
            let gone = "times = \"always\"\nthen = { status = { code = 404 } }";
            self.world.fault(&format!("on = \"vod\"\nroom = {room}\n{gone}"));
            self.world.change(i64::try_from(*room).unwrap(), |room| room.replays.clear());
        }
        if self.dice.below(6) == 0 {
            let objects = self.world.bucket().objects;
            // Earlier manifests cannot be made again.
            let is_made_again = |key: &&String| {
                !["/images/", "/history/"].iter().any(|folder| key.contains(folder))
            };
            let keys: Vec<_> = objects.keys().filter(is_made_again).collect();
            if !keys.is_empty() {
                let key: &&String = self.dice.pick(&keys);
                self.world.front.remove(key);
            }
        }
        if self.dice.below(8) == 0 {
            lose_ledger_if_any(&self.world);
        }
    }

    /// A night; `None` where it did not live to tell.
    async fn night(&mut self, is_forbidden: bool) -> Option<Night> {
        let vod = self.world.sandbox.vod_addr().to_string();
        let hosts = if is_forbidden { "media.example".to_owned() } else { vod };
        let hosts = [hosts, "media.invalid".to_owned()];
        let change = |config: &mut Config| config.media.hosts = HostPolicy::parse(&hosts).unwrap();
        match self.dice.below(8) {
            0 => killed_run(&self.world, change).await,
            1 => cut_run(&self.world, change, Duration::from_millis(self.dice.below(400))).await,
            _ => {
                let night = self.world.try_night(&Selection::Due, change).await.unwrap();
                canaries::check_logs();
                for loss in &night.report.losses {
                    let id = (loss.recording.room, loss.recording.source_id.clone());
                    let before = self.told.insert(id, night.exit);
                    assert_eq!(before, None, "seed {}: {loss:?} is told twice", self.seed);
                }
                return Some(night);
            }
        }
        None
    }

    async fn check(&self, night: Option<&Night>) {
        let mut waits = false;
        for (room, recording) in recordings(&self.world).await {
            waits |= self.judge(room, &recording, night);
        }
        let Some(night) = night else { return };
        let (said, at) = (notes(&night.report), self.world.clock.now());
        let what = format!("seed {}, {at}: exit {}: {said:?}", self.seed, night.exit);
        assert!(!waits || [1, 3, 4].contains(&night.exit) && !said.is_empty(), "{what}");
        if night.exit == 0 {
            night.bucket.check(&canaries::ALL.map(str::to_owned));
        }
    }

    /// Checks what the ledger says of a recording; whether it waits for another try.
    fn judge(&self, room: RoomId, recording: &Recording, night: Option<&Night>) -> bool {
        let now = self.world.clock.now();
        let what = format!("seed {}, {now}: {recording:?}", self.seed);
        match recording.state {
            RecordingState::Archived => assert!(recording.stored.is_some(), "{what}"),
            RecordingState::NotNeeded => {}
            RecordingState::Expired => {
                assert!(recording.is_past(now), "{what}");
                let told = self.told.get(&(room, recording.source_id.clone()));
                assert!(night.is_none() || told == Some(&4), "untold: {what}");
            }
            _ => {
                let month = now + SignedDuration::from_hours(30 * 24);
                assert!(recording.next_try_at.is_none_or(|at| at <= month), "{what}");
                return true;
            }
        }
        false
    }

    /// All is well at last, and long after every deadline nothing is left.
    async fn end(mut self) {
        self.world.heal();
        self.world.advance(SignedDuration::from_hours(24 * 100));
        for _ in 0..2 {
            let night = self.night_of_all_hosts().await;
            self.check(Some(&night)).await;
        }
        let last = self.night_of_all_hosts().await;
        assert_eq!(last.exit, 0, "seed {}: {:?}", self.seed, notes(&last.report));
        for room in 1..=5 {
            let manifest = last.bucket.manifest(room);
            for entry in entries(&manifest) {
                let state = text(&entry["state"]);
                let is_final = ["archived", "expired", "not_needed"].contains(&state);
                assert!(is_final, "seed {}, room {room}: {entry:#}", self.seed);
                let is_told = entry["loss"]["told_at"].is_string();
                assert_eq!(
                    state == "expired",
                    is_told,
                    "seed {}, room {room}: {entry:#}",
                    self.seed
                );
            }
        }
    }

    async fn night_of_all_hosts(&mut self) -> Night {
        loop {
            // One that lives.
            if let Some(night) = self.night(false).await {
                return night;
            }
            self.world.pass(60);
        }
    }
}

fn entries(manifest: &Value) -> impl Iterator<Item = &Value> {
    let segments = manifest["segments"].as_array().unwrap().iter();
    segments.chain(Some(&manifest["whole"]).filter(|whole| !whole.is_null()))
}

fn lose_ledger_if_any(world: &World) {
    if world.ledger().exists() {
        lose_ledger(world);
    }
}

/// A run that is killed at a random moment.
async fn cut_run(world: &World, change: impl FnOnce(&mut Config), after: Duration) {
    let setup = world.setup_with(change).await;
    let run = setup.run(&Selection::Due, CancellationToken::new());
    let _ = clock::within(after, run).await;
    setup.context.ledger.close().await;
}

async fn recordings(world: &World) -> Vec<(RoomId, Recording)> {
    let setup = world.setup().await;
    let appid = "wx1".parse().unwrap();
    let mut all = Vec::new();
    for room in (1..=5).map(RoomId) {
        let recordings = setup.context.ledger.recordings(&appid, room).await.unwrap();
        all.extend(recordings.into_iter().map(|recording| (room, recording)));
    }
    setup.context.ledger.close().await;
    all
}
