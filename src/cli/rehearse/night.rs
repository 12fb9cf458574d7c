//! The night that is rehearsed: a scenario of the sandbox, made from the ledger.

use std::fmt;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use toml::{Table, Value};

use super::{Fault, RehearseArguments};
use crate::cli::demo::{ACCESS_KEY, BUCKET, SECRET_KEY, start_store};
use crate::cli::figures::counted;
use crate::cli::setup::{self, Setup};
use crate::cli::{Common, output};
use crate::clock::Clock;
use crate::config::{self, Alerts, ConfigError, Environment, Sources};
use crate::ledger::{Ledger, Place, RoomRecord};
use crate::model::AppId;
use crate::sandbox::scenario::Scenario;
use crate::sandbox::{EmbeddedStore, Listen, Sandbox};

/// The largest recording that is made up, in bytes: more would only take longer.
const LARGEST: u64 = 8 << 20;

/// The most accounts of a night.
const MOST: usize = 20;

/// The size of a recording of which nothing is known, in bytes.
const USUAL: u64 = 1 << 20;

/// Older rooms are played as if they had begun this long ago: WeChat would have deleted them.
const OLDEST: SignedDuration = SignedDuration::from_hours(24 * 300);

/// The secret of every account of the sandbox.
const SECRET: &str = "00112233445566778899aabbccddeeff";

/// A night to rehearse.
pub(super) struct Night {
    fault: Option<Fault>,
    accounts: Vec<(AppId, Vec<Table>)>,
    /// How many of the rooms are the ledger's.
    known: usize,
}

/// The servers of a night, and its folder. They end when it is dropped.
pub(super) struct Stage {
    _sandbox: Sandbox,
    store: EmbeddedStore,
    folder: PathBuf,
    fault: Option<Fault>,
}

impl Night {
    /// The pending rooms of the configured accounts; made-up rooms for an account that has none.
    pub(super) async fn of(
        common: &Common,
        alerts: &Alerts,
        arguments: &RehearseArguments,
    ) -> anyhow::Result<Self> {
        let Some(url) = &alerts.ledger_url else {
            let problem = "it is no address of a ledger\nhint: `config show` prints it [RA021]";
            return Err(ConfigError::value("ledger.url", problem).into());
        };
        // The real ledger is not even brought up to date.
        let ledger = match Place::of(url.expose_secret()).is_missing() {
            true => None,
            false => Some(Ledger::open_as_it_is(url.expose_secret()).await?),
        };
        let mut configured: Vec<AppId> =
            alerts.appids.iter().filter_map(|appid| appid.parse().ok()).collect();
        configured.extend(config::load_folder(&setup::sources(common)?)?);
        let appids = chosen(common, configured, ledger.as_ref()).await?;
        let mut night = Self { fault: arguments.fault, accounts: Vec::new(), known: 0 };
        for appid in appids {
            let mut rooms = match &ledger {
                Some(ledger) => {
                    let read = pending(ledger, &appid, arguments.rooms as usize).await;
                    read.unwrap_or_else(|error| {
                        output::note(format_args!("{appid}: a room is made up: {error}"));
                        Vec::new()
                    })
                }
                None => Vec::new(),
            };
            night.known += rooms.len();
            if rooms.is_empty() {
                rooms.push(made_up());
            }
            night.accounts.push((appid, rooms));
        }
        Ok(night)
    }

    /// Starts the servers in a folder.
    pub(super) async fn begin(&self, folder: &Path) -> anyhow::Result<Stage> {
        let objects = folder.join("objects");
        std::fs::create_dir_all(&objects).context("failed to create a folder for the bucket")?;
        let store = start_store(&objects, (Ipv4Addr::LOCALHOST, 0).into()).await?;
        if self.fault == Some(Fault::BucketReadOnly) {
            store.refuse_writes();
        }
        let scenario = toml::to_string(&self.scenario())?;
        let sandbox = Sandbox::start(Scenario::parse(&scenario)?, Listen::default()).await?;
        let text = self.configuration(folder, &sandbox, &store);
        std::fs::write(folder.join("pipeline.toml"), text)?;
        let (folder, fault) = (folder.to_owned(), self.fault);
        Ok(Stage { _sandbox: sandbox, store, folder, fault })
    }

    fn scenario(&self) -> Table {
        let mut accounts = Vec::new();
        for (appid, rooms) in &self.accounts {
            let mut account = table([
                ("appid", appid.to_string().into()),
                ("secret", SECRET.into()),
                ("room", rooms.clone().into()),
            ]);
            if self.fault == Some(Fault::QuotaGone) {
                account.insert("daily_quota".to_owned(), 0.into());
            }
            accounts.push(account);
        }
        let first = accounts.first_mut().and_then(|account| account.get_mut("room"));
        let first = first.and_then(|rooms| rooms.get_mut(0)?.get_mut("replay")?.get_mut(0));
        if let (Some(Fault::RecordingDeleted), Some(Value::Table(replay))) = (self.fault, first) {
            replay.insert("expire".to_owned(), "-1m".into());
        }
        let mut scenario = table([("account", accounts.into())]);
        if self.fault == Some(Fault::TokenRefused) {
            let error = [("code", 40125.into()), ("message", "invalid appsecret".into())];
            let refused = table([("errcode", table(error).into())]);
            scenario.insert(
                "fault".to_owned(),
                vec![table([
                    ("on", "api".into()),
                    ("call", "stable-token".into()),
                    ("times", "always".into()),
                    ("then", refused.into()),
                ])]
                .into(),
            );
        }
        scenario
    }

    fn configuration(&self, folder: &Path, sandbox: &Sandbox, store: &EmbeddedStore) -> String {
        let (vod, ledger) = (sandbox.vod_addr(), folder.join("ledger.sqlite"));
        let mut text = format!(
            "[ledger]\nurl = \"sqlite:{}\"\n[store]\nendpoint = \"http://{}\"\nbucket = \"{BUCKET}\"\n\
             access_key = \"{ACCESS_KEY}\"\nsecret_key_env = \"SECRET_KEY\"\n[wechat]\nbase_url = \"http://{}\"\n\
             [media]\nallow_hosts = [\"{vod}\"]\n[images]\nallow_hosts = [\"{vod}\"]\n",
            ledger.display(),
            store.addr(),
            sandbox.api_addr(),
        );
        for (appid, _) in &self.accounts {
            text += &format!(
                "[[account]]\nappid = \"{appid}\"\n\
                 token = {{ source = \"stable_token\", secret_env = \"APP_SECRET\" }}\n"
            );
        }
        text
    }
}

impl fmt::Display for Night {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rooms: usize = self.accounts.iter().map(|(_, rooms)| rooms.len()).sum();
        let (accounts, rooms) = (counted(self.accounts.len(), "account"), counted(rooms, "room"));
        let known = match self.known {
            0 => "made up: the ledger has none pending".to_owned(),
            known => format!("{known} of them pending in the ledger"),
        };
        write!(f, "rehearsing a night of {accounts} and {rooms} ({known})")?;
        let fault = match self.fault {
            None => "nothing goes wrong",
            Some(Fault::BucketReadOnly) => "the store refuses every write",
            Some(Fault::QuotaGone) => "WeChat has no calls left today",
            Some(Fault::TokenRefused) => "WeChat refuses the AppSecret",
            Some(Fault::RecordingDeleted) => "WeChat has deleted a recording",
            Some(Fault::DiskFull) => "the ledger's disk is full",
        };
        write!(f, "; {fault}")
    }
}

impl Stage {
    /// Opens everything, as `run` does.
    pub(super) async fn open(&self) -> anyhow::Result<Setup> {
        let secrets = [("SECRET_KEY", SECRET_KEY), ("APP_SECRET", SECRET)];
        let secrets = secrets.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let sources = Sources {
            file: self.folder.join("pipeline.toml"),
            environment: Environment::from_iter(secrets),
            accounts: Vec::new(),
        };
        let config = config::load(&sources)?;
        let (clock, url) = (Clock::system(), config.ledger_url.clone());
        let ledger = match self.fault {
            Some(Fault::DiskFull) => Ledger::create_full(url.expose_secret(), &clock).await?,
            _ => Ledger::open_timed(url.expose_secret(), &clock).await?,
        };
        tracing::debug!(store.address = %self.store.addr(), "rehearsing");
        Box::pin(setup::build_on(ledger, config, clock)).await
    }
}

/// The accounts to play: those that the flag names, or those that are configured or that the ledger has, of which
/// at most [`MOST`].
async fn chosen(
    common: &Common,
    mut known: Vec<AppId>,
    ledger: Option<&Ledger>,
) -> anyhow::Result<Vec<AppId>> {
    if let Some(ledger) = ledger {
        // Of a ledger that an earlier version made only the configured accounts are known.
        let registered = ledger.registered().await.unwrap_or_default();
        let worked_on = ledger.with_rooms().await.unwrap_or_default();
        let is_disabled = |appid: &AppId| {
            let mut all = registered.iter();
            all.any(|one| one.appid == *appid && one.disabled_at.is_some())
        };
        let all = registered.iter().map(|one| one.appid.clone()).chain(worked_on);
        known.extend(all.filter(|appid| !is_disabled(appid)));
    }
    known.sort();
    known.dedup();
    let appids: Vec<AppId> = match common.accounts.is_empty() {
        true => known,
        false => match common.accounts.iter().find(|appid| !known.contains(appid)) {
            None => common.accounts.clone(),
            Some(unknown) => {
                let problem = format!("neither the configuration nor the ledger has {unknown}");
                return Err(ConfigError::value("--account", problem).into());
            }
        },
    };
    if appids.is_empty() {
        let problem = "there is none, so there is no night to rehearse\nhint: add the account; `config show` prints \
                       what is configured [RA014]";
        return Err(ConfigError::value("account", problem).into());
    }
    if appids.len() > MOST {
        output::note(format_args!(
            "only the first {MOST} of {} accounts are rehearsed; --account chooses others",
            appids.len()
        ));
    }
    Ok(appids.into_iter().take(MOST).collect())
}

/// At most this many pending rooms of an account, as rooms of the sandbox.
async fn pending(ledger: &Ledger, appid: &AppId, most: usize) -> anyhow::Result<Vec<Table>> {
    let mut rooms = Vec::new();
    for id in ledger.pending_rooms(appid, Timestamp::MAX).await?.into_iter().take(most) {
        let Some(record) = ledger.room(appid, id).await? else { continue };
        let recordings = ledger.recordings(appid, id).await?;
        let stored = recordings.iter().map(|recording| {
            recording.intact_segment().map_or(USUAL, |segment| segment.bytes.clamp(1, LARGEST))
        });
        let mut sizes: Vec<u64> = stored.take(3).collect();
        if sizes.is_empty() {
            sizes.push(USUAL);
        }
        rooms.push(room(&record, &sizes));
    }
    Ok(rooms)
}

fn room(record: &RoomRecord, sizes: &[u64]) -> Table {
    let now = Clock::system().now();
    let oldest = now.saturating_sub(OLDEST).unwrap_or(Timestamp::MIN);
    let yesterday = "-1d".to_owned();
    let start = record.room.start_time.filter(|start| *start < now);
    let start = start.map_or(yesterday, |start| start.max(oldest).to_string());
    let id = i64::try_from(record.room.room_id.0).unwrap_or(i64::MAX);
    let mut room = table([("id", id.into()), ("start", start.into()), ("replay", replays(sizes))]);
    if !record.room.name.is_empty() {
        room.insert("name".to_owned(), output::name(&record.room.name).into());
    }
    room
}

fn made_up() -> Table {
    table([
        ("id", 1.into()),
        ("name", "演练直播间".into()),
        ("start", "-2d".into()),
        ("replay", replays(&[USUAL])),
    ])
}

fn replays(sizes: &[u64]) -> Value {
    let replay = |size: &u64| table([("size", i64::try_from(*size).unwrap_or(i64::MAX).into())]);
    sizes.iter().map(replay).collect::<Vec<_>>().into()
}

fn table<const N: usize>(entries: [(&str, Value); N]) -> Table {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
