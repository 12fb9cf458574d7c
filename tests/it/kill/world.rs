//! A world whose every server stands behind a proxy, and the built binary in it.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use replay_archiver::clock;
use replay_archiver::sandbox::scenario::Scenario;
use replay_archiver::sandbox::{Listen, Sandbox};
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Executor as _};
use tokio::process::{Child, Command};

use super::http::Proxy;
use super::postgres::PostgresProxy;
use super::strike::{Kill, Watch};
use crate::bucket::Bucket;
use crate::strict::{Provider, StrictS3};

pub const APP_SECRET: &str = "canary-appsecret-8c1f0a2b";
pub const STORE_SECRET: &str = "canary-store-secret-55e0";
pub const TOKEN: &str = "canary-token-77aa31c4f09be2d855aa01c4f09be2d8";

/// Calls that WeChat allows a day.
pub const CALLS: u64 = 40;
pub const PART: u64 = 5 << 20;
/// What parts in flight may take.
pub const MEMORY: u64 = 10 << 20;

/// No run takes longer, however busy the machine is.
const LONGEST: Duration = Duration::from_secs(120);

/// Room 1: a segment of five parts and a small one; room 2: a whole that is needed. Both have images.
fn scenario() -> String {
    format!(
        "[[account]]\nappid = \"wx1\"\nsecret = \"{APP_SECRET}\"\ntoken = \"{TOKEN}\"\n\
         daily_quota = {CALLS}\nquota_query = 48001\n\
         [[account.room]]\nid = 1\nstart = \"2026-11-10T12:00:00Z\"\n\
         [[account.room.replay]]\nsize = \"22MiB\"\n\
         [[account.room.replay]]\nsigned = \"2h\"\nfixture = \"portrait-moov-last\"\n\
         [[account.room]]\nid = 2\nstart = \"2026-11-11T12:00:00Z\"\n\
         [[account.room.replay]]\nkind = \"whole\"\nseconds = 8\n"
    )
}

/// Which database holds the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerIs {
    Sqlite,
    Postgres,
}

pub struct World {
    pub watch: Arc<Watch>,
    pub sandbox: Sandbox,
    pub vod: Proxy,
    pub store: StrictS3,
    _doors: [Proxy; 2],
    _database: Option<PostgresProxy>,
    folder: tempfile::TempDir,
    /// The ledger as the test reads it.
    ledger: String,
}

/// How a run of the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Killed,
    With(i32),
}

impl World {
    pub async fn start(ledger: LedgerIs) -> Self {
        let watch = Arc::new(Watch::default());
        let scenario = Scenario::parse(&scenario()).unwrap();
        let sandbox = Sandbox::start(scenario, Listen::default()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = StrictS3::start(Provider::Aws).await;
        let api = Proxy::start("wechat", sandbox.api_addr(), &watch).await;
        let vod = Proxy::start("media", sandbox.vod_addr(), &watch).await;
        let s3 = Proxy::start("store", store.addr, &watch).await;
        sandbox.update(|scenario| scenario.vod.base = format!("http://{}", vod.addr));
        let (direct, proxied, database) = match ledger {
            LedgerIs::Sqlite => {
                let url = format!("sqlite:{}", folder.path().join("ledger.sqlite").display());
                (url.clone(), url, None)
            }
            LedgerIs::Postgres => postgres(&watch).await,
        };
        let world = Self {
            watch,
            sandbox,
            vod,
            store,
            _doors: [api, s3],
            _database: database,
            folder,
            ledger: direct,
        };
        world.configure(&proxied);
        world
    }

    fn configure(&self, ledger: &str) {
        let [api, s3] = &self._doors;
        let vod = self.vod.addr;
        let text = format!(
            "[ledger]\nurl = \"{ledger}\"\n[store]\nendpoint = \"http://{}\"\nbucket = \"replays\"\n\
             prefix = \"live\"\naccess_key = \"access\"\nsecret_key_env = \"STORE_SECRET\"\n\
             [wechat]\nbase_url = \"http://{}\"\n[quota]\ndaily_limit = {CALLS}\nreserve = 0\n\
             [media]\nallow_hosts = [\"{vod}\"]\n[images]\nallow_hosts = [\"{vod}\"]\n\
             [transfer]\npart_size = \"{PART}B\"\nmemory = \"{MEMORY}B\"\nranges = 2\nfiles = 2\n\
             [[account]]\nappid = \"wx1\"\nstitch = \"on\"\ntoken = {{ secret_env = \"APP_SECRET\" }}\n",
            s3.addr, api.addr,
        );
        std::fs::write(self.folder.path().join("pipeline.toml"), text).unwrap();
    }

    /// The nightly job, killed where `kill` says. Every server is healed afterwards.
    pub async fn run(&self, kill: Option<&Kill>) -> Ended {
        self.execute(&["run"], kill).await
    }

    /// `gc`, which aborts every upload that the ledger proves to be ours and that nobody owns.
    pub async fn collect(&self) -> Ended {
        self.execute(&["gc", "--abort", "--older-than", "0s"], None).await
    }

    async fn execute(&self, command: &[&str], kill: Option<&Kill>) -> Ended {
        self.watch.aim(kill);
        let mut child = self.spawn(command);
        let ended = clock::within(LONGEST, async {
            tokio::select! {
                status = child.wait() => Ended::With(status.unwrap().code().unwrap_or(-1)),
                () = self.watch.struck() => Ended::Killed,
                () = moment(kill) => Ended::Killed,
            }
        });
        let ended = ended.await.expect("a run ends");
        if ended == Ended::Killed {
            child.kill().await.unwrap();
            self.watch.heal();
        }
        ended
    }

    fn spawn(&self, command: &[&str]) -> Child {
        let log = std::fs::File::options().create(true).append(true).open(self.log()).unwrap();
        Command::new(env!("CARGO_BIN_EXE_replay-archiver"))
            .args(["--log", "debug"])
            .args(command)
            .current_dir(self.folder.path())
            .env_clear()
            .envs([("APP_SECRET", APP_SECRET), ("STORE_SECRET", STORE_SECRET)])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    fn log(&self) -> std::path::PathBuf {
        self.folder.path().join("log")
    }

    /// The end of what the program said.
    pub fn said(&self) -> String {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().filter(|l| !l.contains("DEBUG hyper")).collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    pub fn bucket(&self) -> Bucket {
        Bucket::of(self.store.objects())
    }

    /// A number that the ledger is asked for; `None` where it has no tables yet.
    pub async fn number(&self, sql: &str) -> Option<i64> {
        sqlx::any::install_default_drivers();
        let mut ledger = AnyConnection::connect(&self.ledger).await.ok()?;
        let number = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut ledger).await;
        ledger.close().await.unwrap();
        number.ok()
    }
}

/// The moment of a kill at an instant.
async fn moment(kill: Option<&Kill>) {
    match kill {
        Some(Kill::After(span) | Kill::Stuck(_, span)) => clock::pause(*span).await,
        _ => std::future::pending().await,
    }
}

/// A schema of its own on the server that `scripts/test` starts: its URL, the same through a proxy,
/// and the proxy.
async fn postgres(watch: &Arc<Watch>) -> (String, String, Option<PostgresProxy>) {
    let server = url::Url::parse(&crate::ledger::postgres_server()).unwrap();
    let address = server.socket_addrs(|| Some(5432)).unwrap()[0];
    let proxy = PostgresProxy::start(address, watch).await;
    let schema = format!("kill_{:016x}", rand::random::<u64>());
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(server.as_str()).await.unwrap();
    connection.execute(AssertSqlSafe(format!("create schema {schema}"))).await.unwrap();
    connection.close().await.unwrap();
    let with_schema = |mut url: url::Url| {
        url.query_pairs_mut()
            .append_pair("options[search_path]", &schema)
            .append_pair("sslmode", "disable");
        url.to_string()
    };
    let mut proxied = server.clone();
    proxied.set_ip_host(proxy.addr.ip()).unwrap();
    proxied.set_port(Some(proxy.addr.port())).unwrap();
    (with_schema(server), with_schema(proxied), Some(proxy))
}
