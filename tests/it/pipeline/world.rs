//! A world to run the pipeline in: sandbox, store, ledger and clock, all at one moment.

use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use replay_archiver::cli::{Exit, setup};
use replay_archiver::clock::Clock;
use replay_archiver::config::{self, Config, Environment, Sources};
use replay_archiver::pipeline::{Report, Rooms, Selection};
use replay_archiver::retry::Policy;
use replay_archiver::sandbox::scenario::{Listener, Room, Scenario};
use replay_archiver::sandbox::{Call, Listen, Sandbox};
use tokio_util::sync::CancellationToken;

use super::front::Front;
use crate::bucket::Bucket;
use crate::canaries;
use crate::strict::{Provider, Request};

/// When every test begins: 11 in the morning in Beijing.
pub const NOW: &str = "2026-11-22T03:00:00Z";

pub use crate::canaries::{APP_SECRET, STORE_SECRET, TOKEN};

/// Fails fast: tests wait for nothing but what they are about.
const QUICK: Policy = Policy {
    attempts: 4,
    base: Duration::from_millis(2),
    cap: Duration::from_millis(10),
    budget: Duration::from_secs(20),
};

pub struct World {
    pub sandbox: Sandbox,
    /// What stands for the store.
    pub front: Front,
    pub clock: Clock,
    pub folder: tempfile::TempDir,
    settings: String,
}

/// What a run came to.
pub struct Night {
    pub report: Report,
    pub exit: u8,
    /// What WeChat was asked: `rooms START` or `replays ROOM`, in order.
    pub calls: Vec<String>,
    /// The requests for media and pictures.
    pub media: Vec<Call>,
    /// What the store was asked.
    pub store: Vec<Request>,
    pub bucket: Bucket,
}

impl World {
    /// A world with the account `wx1`; `scenario` goes on from there.
    pub async fn start(scenario: &str) -> Self {
        Self::with_settings(scenario, "").await
    }

    /// As [`World::start`], with more lines of `pipeline.toml`.
    pub async fn with_settings(scenario: &str, settings: &str) -> Self {
        Self::on_store(Provider::Aws, scenario, settings).await
    }

    /// As [`World::with_settings`], on a store that behaves as that provider's.
    pub async fn on_store(provider: Provider, scenario: &str, settings: &str) -> Self {
        let text = format!(
            "now = \"{NOW}\"\n[[account]]\nappid = \"wx1\"\nsecret = \"{APP_SECRET}\"\n\
             token = \"{TOKEN}\"\n{scenario}"
        );
        canaries::watch_logs();
        let scenario = Scenario::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let sandbox = Sandbox::start(scenario, Listen::default()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(NOW.parse().unwrap());
        let front = Front::start(provider, &clock).await;
        let settings = settings.to_owned();
        Self { sandbox, front, clock, folder, settings }
    }

    /// Moves the time of the program and of WeChat.
    pub fn pass(&self, minutes: i64) {
        self.advance(SignedDuration::from_mins(minutes));
    }

    pub fn advance(&self, by: SignedDuration) {
        self.clock.advance(by);
        self.sandbox.clock().advance(by.unsigned_abs());
    }

    /// What the bucket holds.
    pub fn bucket(&self) -> Bucket {
        Bucket::of(self.front.objects())
    }

    /// The store as the program sees it.
    pub async fn store(&self) -> replay_archiver::store::Store {
        replay_archiver::store::Store::connect(self.config().store).await.unwrap()
    }

    pub fn ledger(&self) -> PathBuf {
        self.folder.path().join("ledger.sqlite")
    }

    /// Changes a room of `wx1`.
    pub fn change(&self, room: i64, change: impl FnOnce(&mut Room)) {
        self.sandbox.update(|scenario| {
            let rooms = &mut scenario.accounts[0].rooms;
            change(rooms.iter_mut().find(|known| known.id == room).unwrap());
        });
    }

    /// Adds a fault, as written in a scenario.
    pub fn fault(&self, text: &str) {
        let mut parsed = Scenario::parse(&format!("[[fault]]\n{text}\n")).unwrap();
        self.sandbox.update(|scenario| scenario.faults.append(&mut parsed.faults));
    }

    /// The bytes behind a URL of the media host, as a browser would get them.
    pub async fn fetch(&self, url: &str) -> Vec<u8> {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let reply = client.get(url).send().await.unwrap().error_for_status().unwrap();
        reply.bytes().await.unwrap().to_vec()
    }

    /// Lets nothing go wrong any more.
    pub fn heal(&self) {
        self.sandbox.update(|scenario| scenario.faults.clear());
        self.front.heal();
    }

    /// The nightly run.
    pub async fn run(&self) -> Night {
        self.night(&Selection::Due, |_| {}).await
    }

    /// A backfill of every room.
    pub async fn backfill(&self, force: bool) -> Night {
        let rooms = Rooms::Between { from: None, to: None };
        self.night(&Selection::Backfill { rooms, force }, |_| {}).await
    }

    /// A run with a changed configuration.
    pub async fn night(&self, selection: &Selection, change: impl FnOnce(&mut Config)) -> Night {
        let night = self.unchecked(selection, change).await;
        night.bucket.check(&canaries::ALL.map(str::to_owned));
        canaries::check_folder(self.folder.path(), &["pipeline.toml"]);
        canaries::check_logs();
        night
    }

    /// The nightly run where something is wrong in the bucket on purpose.
    pub async fn unchecked_run(&self) -> Night {
        self.unchecked(&Selection::Due, |_| {}).await
    }

    async fn unchecked(&self, selection: &Selection, change: impl FnOnce(&mut Config)) -> Night {
        self.try_night(selection, change).await.unwrap()
    }

    /// A run that may fail as a whole, as the command does.
    pub async fn try_night(
        &self,
        selection: &Selection,
        change: impl FnOnce(&mut Config),
    ) -> anyhow::Result<Night> {
        // No two runs begin at the same moment.
        self.advance(SignedDuration::from_secs(1));
        let mut config = self.config();
        change(&mut config);
        let setup = setup::build(config, self.clock.clone()).await?;
        let asked = self.sandbox.calls().len();
        self.front.take();
        let found = setup.find_bucket().await;
        let mut report = Report::default();
        if found.is_ok() {
            report = setup.run(selection, CancellationToken::new()).await;
            setup.take_losses(&mut report).await;
            let _ = setup.told(&report).await;
        }
        setup.context.ledger.close().await;
        assert_eq!(self.front.violations(), [""; 0]);
        found?;
        let calls = self.sandbox.calls().split_off(asked);
        Ok(Night {
            exit: Exit::of_report(&report, false).code(),
            report,
            calls: calls.iter().filter_map(asked_for).collect(),
            media: calls.into_iter().filter(|call| call.listener == Listener::Vod).collect(),
            store: self.front.take(),
            bucket: self.bucket(),
        })
    }

    /// Everything a command works with in this world.
    pub async fn setup(&self) -> setup::Setup {
        self.setup_with(|_| {}).await
    }

    /// The same with a changed configuration.
    pub async fn setup_with(&self, change: impl FnOnce(&mut Config)) -> setup::Setup {
        let mut config = self.config();
        change(&mut config);
        setup::build(config, self.clock.clone()).await.unwrap()
    }

    fn config(&self) -> Config {
        let file = self.folder.path().join("pipeline.toml");
        std::fs::write(&file, self.pipeline_toml()).unwrap();
        let environment: Environment =
            [("SECRET", APP_SECRET), ("STORE_SECRET", self.front.keys().1)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into_iter()
                .collect();
        let mut config =
            config::load(&Sources { file, environment, accounts: Vec::new() }).unwrap();
        config.work.media_retry = QUICK;
        config.work.api_retry = QUICK;
        config.wechat.token_retry = QUICK;
        config.store.retry = QUICK;
        config
    }

    fn pipeline_toml(&self) -> String {
        let (vod, settings) = (self.sandbox.vod_addr(), &self.settings);
        let accounts: Vec<String> = {
            let mut appids = Vec::new();
            self.sandbox.update(|scenario| {
                appids = scenario.accounts.iter().map(|account| account.appid.clone()).collect();
            });
            let entry = |appid: &String| {
                format!("[[account]]\nappid = \"{appid}\"\ntoken = {{ secret_env = \"SECRET\" }}\n")
            };
            appids.iter().map(entry).collect()
        };
        let mut text = format!(
            "[ledger]\nurl = \"sqlite:{}\"\n[store]\nendpoint = \"http://{}\"\nbucket = \"{}\"\n\
             prefix = \"live\"\naccess_key = \"{}\"\nsecret_key_env = \"STORE_SECRET\"\n\
             [wechat]\nbase_url = \"http://{}\"\n[images]\nallow_hosts = [\"{vod}\"]\n{settings}\n{}",
            self.ledger().display(),
            self.front.addr(),
            self.front.bucket(),
            self.front.keys().0,
            self.sandbox.api_addr(),
            accounts.concat(),
        );
        if !text.contains("[media]") {
            text.push_str(&format!("[media]\nallow_hosts = [\"{vod}\"]\nread_timeout = \"2s\"\n"));
        }
        text
    }
}

/// Runs checks, as many at once as leave each of them the time it needs.
pub async fn some_at_once<F: Future<Output = ()>>(checks: impl IntoIterator<Item = F>) {
    use futures::StreamExt as _;
    futures::stream::iter(checks).buffer_unordered(6).collect::<Vec<()>>().await;
}

/// What a call to WeChat asked for, where it was one that costs quota.
fn asked_for(call: &Call) -> Option<String> {
    let body = call.body.as_ref().filter(|_| call.path == "/wxa/business/getliveinfo")?;
    Some(match body.get("room_id") {
        Some(room) => format!("replays {room}"),
        None => format!("rooms {}", body["start"]),
    })
}

impl Night {
    /// The rooms whose replays were asked for, in order.
    pub fn resolved(&self) -> Vec<u64> {
        let asked = self.calls.iter().filter_map(|call| call.strip_prefix("replays "));
        asked.map(|room| room.parse().unwrap()).collect()
    }

    /// The keys that were written, in order, without what they have in common.
    pub fn written(&self) -> Vec<&str> {
        let writes = self.store.iter().filter(|request| request.is_write());
        writes.map(|request| request.key.trim_start_matches("live/wx1/")).collect()
    }

    /// The paths of recordings that were fetched, in order, each once; pictures are none.
    pub fn fetched(&self) -> Vec<&str> {
        let mut paths: Vec<&str> = Vec::new();
        for call in &self.media {
            if !call.path.starts_with("/mmbiz_jpg/") && !paths.contains(&call.path.as_str()) {
                paths.push(&call.path);
            }
        }
        paths
    }

    /// The archived object of a segment of room 1, counted from 0, and where its source is.
    pub fn object(&self, room: u64, segment: usize) -> (&[u8], String) {
        let segment = self.bucket.manifest(room)["segments"][segment].clone();
        let key = format!("live/wx1/rooms/{room}/{}", segment["key"].as_str().unwrap());
        let source = &segment["source"];
        let part = |name: &str| source[name].as_str().unwrap().to_owned();
        (&self.bucket.objects[&key], format!("http://{}{}", part("host"), part("path")))
    }

    /// A room's manifest says this: its status, and the states of its segments.
    #[track_caller]
    pub fn says(&self, room: u64, status: &str, segments: &[&str]) {
        let manifest = self.bucket.manifest(room);
        let found = manifest["segments"].as_array().unwrap();
        let states: Vec<_> = found.iter().map(|s| s["state"].as_str().unwrap()).collect();
        let reasons: Vec<_> =
            found.iter().chain([&manifest["whole"]]).map(|s| s["reason"].as_str()).collect();
        let said = (manifest["status"].as_str().unwrap(), states);
        assert_eq!(said, (status, segments.to_vec()), "room {room}: {reasons:?}");
    }
}
