//! A world that many processes work in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use replay_archiver::clock;
use replay_archiver::sandbox::scenario::{Listener, Scenario};
use replay_archiver::sandbox::{Call, EmbeddedStore, Listen, Sandbox};
use sqlx::{AssertSqlSafe, Executor as _};
use tokio::process::{Child, Command};

use crate::bucket::Bucket;
use crate::cli::program::{APP_SECRET, Ran, STORE_SECRET, ended};
use crate::ledger;
use crate::real::door::Door;
use crate::strict::Request;

/// The size of the smallest segment.
pub const SEGMENT: u64 = 116_878;

/// Starts `$0` as another user who sees none of the other processes, as `ProtectProc=invisible` has it.
pub const UNSEEING: &str = "mount -t proc -o hidepid=2 proc /proc && PATH=/usr/bin:/bin exec setpriv \
     --reuid 65534 --regid 65534 --clear-groups \"$0\" run";

pub struct Fleet {
    pub sandbox: Sandbox,
    pub front: Door,
    pub ledger: String,
    folder: tempfile::TempDir,
    _store: EmbeddedStore,
}

impl Fleet {
    /// A world with the accounts of `scenario`, and their ledger at a URL; SQLite where it is empty.
    /// `settings` are more lines of `pipeline.toml`, before the accounts.
    pub async fn start(scenario: &str, ledger: &str, settings: &str) -> Self {
        let scenario = Scenario::parse(scenario).unwrap_or_else(|e| panic!("{e}\n{scenario}"));
        let appids: Vec<_> = scenario.accounts.iter().map(|a| a.appid.clone()).collect();
        let sandbox = Sandbox::start(scenario, Listen::default()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (objects, any) = (folder.path().join("objects"), ([127, 0, 0, 1], 0).into());
        let store =
            EmbeddedStore::start(&objects, "replays", "access", STORE_SECRET, any).await.unwrap();
        let front = Door::open(store.addr()).await;
        let ledger = match ledger {
            "" => format!("sqlite:{}", folder.path().join("ledger.sqlite").display()),
            url => url.to_owned(),
        };
        let vod = sandbox.vod_addr();
        let mut text = format!(
            "[ledger]\nurl = \"{ledger}\"\nlease = \"30m\"\n[store]\nendpoint = \"http://{}\"\n\
             bucket = \"replays\"\nprefix = \"live\"\naccess_key = \"access\"\n\
             secret_key_env = \"STORE_SECRET\"\n[wechat]\nbase_url = \"http://{}\"\n\
             [media]\nallow_hosts = [\"{vod}\"]\n[images]\nallow_hosts = [\"{vod}\"]\n{settings}\n",
            front.addr,
            sandbox.api_addr(),
        );
        for appid in appids {
            text += &format!(
                "[[account]]\nappid = \"{appid}\"\ntoken = {{ secret_env = \"APP_SECRET\" }}\n"
            );
        }
        std::fs::write(folder.path().join("pipeline.toml"), text).unwrap();
        Self { sandbox, front, ledger, folder, _store: store }
    }

    /// A process that has started to work.
    pub fn worker(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_replay-archiver"));
        command.arg("run").args(arguments);
        self.start_working(command)
    }

    /// As [`Fleet::worker`], under another user, from whom `/proc` hides every process but its own.
    pub fn unseeing_worker(&self) -> Child {
        let mut command = Command::new("/usr/bin/unshare");
        command.args(["-m", "sh", "-c", UNSEEING, env!("CARGO_BIN_EXE_replay-archiver")]);
        self.start_working(command)
    }

    /// Lets every user work in this world.
    pub fn open_to_all(&self) {
        use std::os::unix::fs::PermissionsExt;
        let allow = |path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode));
        allow(self.folder.path().to_owned(), 0o777).unwrap();
        for file in std::fs::read_dir(self.folder.path()).unwrap() {
            let path = file.unwrap().path();
            let is_ledgers = path.to_str().unwrap().contains("ledger.sqlite");
            if is_ledgers && !path.to_str().unwrap().ends_with(".lock") {
                allow(path, 0o666).unwrap();
            }
        }
    }

    fn start_working(&self, mut command: Command) -> Child {
        command
            .current_dir(self.folder.path())
            .env_clear()
            .envs([("APP_SECRET", APP_SECRET), ("STORE_SECRET", STORE_SECRET)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command.spawn().unwrap()
    }

    /// A process that has ended.
    pub async fn run(&self, arguments: &[&str]) -> Ran {
        ended(self.worker(arguments)).await
    }

    /// Changes the ledger behind everybody's back.
    pub async fn sql(&self, statement: &str) {
        let statement = AssertSqlSafe(statement.to_owned());
        ledger::connect(&self.ledger).await.execute(statement).await.unwrap();
    }

    /// Lets the lease of a room be over.
    pub async fn end_lease(&self, appid: &str) {
        let rooms = format!("appid = '{appid}' and lease_owner is not null");
        self.sql(&format!("update rooms set lease_until = 1 where {rooms}")).await;
    }

    /// Every row of the ledger.
    pub async fn rows(&self) -> Vec<String> {
        ledger::rows(&self.ledger).await
    }

    /// How many processes show that they live, or have shown it until they were killed.
    pub fn locks(&self) -> usize {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        files
            .filter(|file| file.as_ref().unwrap().path().extension() == Some("lock".as_ref()))
            .count()
    }

    fn objects(&self) -> PathBuf {
        self.folder.path().join("objects/replays")
    }

    /// The bucket, checked.
    pub fn bucket(&self) -> Bucket {
        let bucket = Bucket::read(&self.objects());
        bucket.check(&[APP_SECRET, STORE_SECRET].map(str::to_owned));
        bucket
    }

    /// The bucket without what each run says of itself.
    pub fn archive(&self) -> Bucket {
        let mut bucket = self.bucket();
        bucket.objects.retain(|key, _| !key.ends_with("/status.json"));
        bucket
    }

    /// The rooms of `wx1` that have a manifest, without a look at what it says.
    pub fn sealed(&self) -> BTreeSet<u64> {
        let rooms = std::fs::read_dir(self.objects().join("live/wx1/rooms"));
        let rooms = rooms.into_iter().flatten().map(|room| room.unwrap().path());
        let is_sealed = |room: &PathBuf| room.join("manifest.json").exists();
        let id = |room: PathBuf| room.file_name()?.to_str()?.parse().ok();
        rooms.filter(is_sealed).filter_map(id).collect()
    }

    /// The requests for recordings.
    pub fn media(&self) -> Vec<Call> {
        let mut calls = self.sandbox.calls();
        calls.retain(|call| call.listener == Listener::Vod && call.path.ends_with(".mp4"));
        calls
    }

    /// The calls of one path of the API.
    pub fn api(&self, path: &str) -> Vec<Call> {
        let mut calls = self.sandbox.calls();
        calls.retain(|call| call.listener == Listener::Api && call.path == path);
        calls
    }

    /// How often each room was asked for.
    pub fn asked(&self) -> BTreeMap<u64, u32> {
        let mut rooms = BTreeMap::new();
        for call in self.api("/wxa/business/getliveinfo") {
            if let Some(room) = call.body.and_then(|body| body["room_id"].as_u64()) {
                *rooms.entry(room).or_default() += 1;
            }
        }
        rooms
    }

    /// Waits until something is so.
    pub async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        for _ in 0..18_000 {
            if is_so().await {
                return;
            }
            clock::pause(Duration::from_millis(10)).await;
        }
        panic!("it never comes to it: {what}");
    }
}

/// Sends a signal to a process.
pub async fn signal(child: &Child, name: &str) {
    let pid = child.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-s", name, &pid]).status().await;
    assert!(sent.unwrap().success());
}

/// How many bytes of each recording were asked for.
pub fn fetched(calls: &[Call], size: u64) -> BTreeMap<String, u64> {
    let mut bytes: BTreeMap<String, u64> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.method == "GET" && call.status < 300) {
        *bytes.entry(call.path.clone()).or_default() += asked_of(call, size);
    }
    bytes
}

fn asked_of(call: &Call, size: u64) -> u64 {
    let range = call.range.as_deref().and_then(|range| range.strip_prefix("bytes="));
    let Some((first, last)) = range.and_then(|range| range.split_once('-')) else { return size };
    let first: u64 = first.parse().unwrap();
    last.parse::<u64>().map_or(size, |last| (last + 1).min(size)).saturating_sub(first)
}

/// How often each object of a room came to be: by a put, or by completing an upload. Pictures are left out:
/// they are put before the room is sealed, and again by whoever takes it over.
pub fn written(requests: &[Request]) -> BTreeMap<&str, u32> {
    let mut objects = BTreeMap::new();
    for request in requests.iter().filter(|request| request.status < 300) {
        let is_put = request.method == "PUT" && !request.query.contains("partNumber=");
        let is_completed = request.method == "POST" && request.query.contains("uploadId=");
        let is_picture = request.key.contains("/images/");
        if (is_put || is_completed) && request.key.contains("/rooms/") && !is_picture {
            *objects.entry(request.key.as_str()).or_default() += 1;
        }
    }
    objects
}
