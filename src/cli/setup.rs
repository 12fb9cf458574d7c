//! From the configuration to everything a command works with.

use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use secrecy::ExposeSecret as _;
use tokio_util::sync::CancellationToken;

use super::{Common, output};
use crate::clock::Clock;
use crate::config::{self, Config, ConfigError, Environment, Sources};
use crate::ledger::{self, Ledger};
use crate::media::source::MediaClient;
use crate::model::{Manifest, RoomId, RunId};
use crate::pipeline::owner::{Alive, this_process};
use crate::pipeline::{self, Errand, Report, losses};
use crate::progress::Progress;
use crate::stage::{Account, Agenda, Causes, Context, Images, Memory, Playlists, published};
use crate::store::Store;
use crate::throughput::Throughput;
use crate::wechat;

/// Accounts that are looked through for a room at once.
const LOOKS: usize = 16;

/// Everything a command works with.
pub struct Setup {
    /// What the stages share.
    pub context: Arc<Context>,
    /// The accounts to work on.
    pub accounts: Vec<Arc<Account>>,
    /// The sign to other processes that this one works; from the beginning of a run on.
    alive: OnceLock<Option<Alive>>,
    /// Where the ledger lies.
    pub ledger_place: ledger::Place,
    /// Whether it was made just now.
    pub is_ledger_new: bool,
}

impl Setup {
    /// Looks at the bucket, before anything is done that would have to be stored there.
    ///
    /// # Errors
    /// When it cannot be used.
    pub async fn find_bucket(&self) -> anyhow::Result<()> {
        self.context.store.check_bucket().await.context("the bucket cannot be used")
    }

    /// Runs the pipeline, once the bucket was found. What goes wrong is in the report.
    pub async fn run(&self, errand: &Errand, stop: CancellationToken) -> Report {
        let Self { context, accounts, alive, .. } = self;
        // Until all is done: also while people are told of losses.
        alive.get_or_init(|| Alive::show(context));
        // On the heap: it is large.
        Box::pin(pipeline::run(Arc::clone(context), accounts, errand, stop)).await
    }

    /// Takes into the report what was lost and no person was told of. To be printed then, and noted with
    /// [`Setup::told`]. A run that could do nothing has an exit code of its own: the next one tells.
    pub async fn take_losses(&self, report: &mut Report) {
        if report.could_not_run() {
            return;
        }
        losses::take(&self.context, &self.accounts, report).await;
    }

    /// Notes that a person was told of the losses in the report.
    ///
    /// # Errors
    /// When the ledger fails: the next run tells them again then.
    pub async fn told(&self, report: &Report) -> Result<(), ledger::Error> {
        losses::told(&self.context, report).await
    }

    /// Leaves it to the next run to tell of the losses: this one could not.
    ///
    /// # Errors
    /// When the ledger fails: a later run tells them then.
    pub(super) async fn untold(&self) -> Result<(), ledger::Error> {
        self.context.ledger.void_telling(self.context.owner()).await
    }

    /// The manifest of a room; `None` where it has none.
    pub(super) async fn manifest(
        &self,
        account: &Account,
        room: RoomId,
    ) -> anyhow::Result<Option<Manifest>> {
        let keys = self.context.store.keys(&account.appid).room(room);
        let key = keys.manifest();
        let Some(bytes) = self.context.store.get(&key).await? else { return Ok(None) };
        let manifest = published::parse(&bytes, &keys, &account.appid, room);
        manifest.map(Some).with_context(|| format!("{key} is no manifest this version can read"))
    }

    /// The one account that has a room of this number, in the ledger or in the bucket; `None` where
    /// none has. The only account that is worked on has it in any case.
    pub(super) async fn account_of(&self, room: RoomId) -> anyhow::Result<Option<Arc<Account>>> {
        if let [account] = self.accounts.as_slice() {
            return Ok(Some(Arc::clone(account)));
        }
        // A new ledger may know some of the accounts alone, and the bucket has what was archived only.
        let looks = self.accounts.iter().map(|account| self.has_room(account, room));
        let has: Vec<bool> = stream::iter(looks).buffered(LOOKS).try_collect().await?;
        let found =
            self.accounts.iter().zip(has).filter_map(|(account, has)| has.then_some(account));
        let found: Vec<_> = found.collect();
        match found.as_slice() {
            [] => Ok(None),
            [account] => Ok(Some(Arc::clone(account))),
            _ => {
                let appids: Vec<_> = found.iter().map(|account| account.appid.as_str()).collect();
                let problem = format!(
                    "several accounts have a room {room}: {}\nhint: name one with --account",
                    appids.join(", ")
                );
                Err(ConfigError::value("--room", problem).into())
            }
        }
    }

    async fn has_room(&self, account: &Account, room: RoomId) -> anyhow::Result<bool> {
        let key = self.context.store.keys(&account.appid).room(room).manifest();
        Ok(self.context.ledger.room(&account.appid, room).await?.is_some()
            || self.context.store.head(&key).await?.is_some())
    }

    /// Leaves the one account that has a room of this number.
    pub(super) async fn keep_account_of(&mut self, room: RoomId) -> anyhow::Result<()> {
        let Some(account) = self.account_of(room).await? else {
            let appids: Vec<_> =
                self.accounts.iter().map(|account| account.appid.as_str()).collect();
            let problem = format!(
                "neither the ledger nor the bucket has a room {room} of any account\n\
                 hint: name its account with --account; these are configured: {}",
                appids.join(", ")
            );
            return Err(ConfigError::value("--room", problem).into());
        };
        self.accounts = vec![account];
        Ok(())
    }

    /// Says that the ledger is new, where it is: its path may not be the one that was meant.
    pub(super) fn note_new_ledger(&self) {
        if self.is_ledger_new {
            let place = &self.ledger_place;
            output::note(format_args!("a new ledger was made: {place}{}", relative_hint(place)));
        }
    }
}

/// What to do where another ledger was meant.
pub(super) fn relative_hint(place: &ledger::Place) -> &'static str {
    if place.is_relative {
        "\nhint: [ledger] url counts from the folder that the program is started in; an absolute path \
         names the same ledger from everywhere"
    } else {
        ""
    }
}

/// Where the flags say that the configuration is.
pub(super) fn sources(common: &Common) -> anyhow::Result<Sources> {
    if let Some(named) = &common.config {
        config::must_exist(named)?;
    }
    Ok(Sources {
        file: common.config_file().to_owned(),
        environment: Environment::of_process(),
        accounts: common.accounts.clone(),
    })
}

/// Reads the configuration that the flags name.
pub(super) fn config(common: &Common) -> anyhow::Result<Config> {
    Ok(config::load(&sources(common)?)?)
}

/// Opens the ledger, which is made where it is missing, and makes the clients. Nothing remote is
/// asked yet, but a remote ledger.
pub(super) async fn open(common: &Common) -> anyhow::Result<Setup> {
    build(config(common)?, Clock::system()).await
}

/// As [`open`], for a command that only reads: where there is no ledger, that is said, none is made,
/// and the command works with an empty one.
pub(super) async fn open_existing(common: &Common) -> anyhow::Result<Setup> {
    let mut config = config(common)?;
    let place = ledger::Place::of(config.ledger_url.expose_secret());
    if place.is_missing() {
        output::note(format_args!(
            "there is no ledger yet: {place}\nhint: the first `run` makes it, or finds what the bucket has{}",
            relative_hint(&place)
        ));
        config.ledger_url = ledger::IN_MEMORY.into();
    }
    Ok(Setup { ledger_place: place, ..build(config, Clock::system()).await? })
}

/// Everything a command works with, from a configuration that was read. Nothing remote is asked yet,
/// but a remote ledger.
///
/// # Errors
/// When the ledger cannot be opened or a client not be made.
pub async fn build(config: Config, clock: Clock) -> anyhow::Result<Setup> {
    let ledger_place = ledger::Place::of(config.ledger_url.expose_secret());
    let is_ledger_new = ledger_place.is_missing();
    let ledger = Ledger::open_timed(config.ledger_url.expose_secret(), &clock).await?;
    let ledger = ledger.with_patience(config.ledger_patience);
    let store = Store::connect(config.store).await.context("the store cannot be set up")?;
    let media = MediaClient::new(&config.media).context("[media] cannot be set up")?;
    let images = config
        .images
        .as_ref()
        .map(|hosts| MediaClient::new(hosts).map(|client| Images::new(client, &clock)));
    let started_at = clock.now();
    let throughput = Throughput::new(clock.clone());
    // Deadlines are WeChat's: they are judged by its time. Durations are not, nor are leases.
    let corrected = clock.corrected();
    let agenda = Agenda::new(corrected.clone(), throughput.clone());
    let run_id = RunId::new(started_at);
    let api = wechat::Api::new(&config.wechat, clock);
    let api = api.context("the WeChat client cannot be set up")?;
    let accounts = config.accounts.into_iter().map(|account| {
        let client = api.client(account.appid.clone(), account.tokens);
        Arc::new(Account { appid: account.appid, client, share: account.share })
    });
    Ok(Setup {
        alive: OnceLock::new(),
        accounts: accounts.collect(),
        ledger_place,
        is_ledger_new,
        context: Arc::new(Context {
            ledger,
            store,
            media,
            playlists: Playlists::new(),
            images: images.transpose().context("[images] cannot be set up")?,
            owner: this_process(&run_id),
            run_id,
            started_at,
            memory: Memory::new(config.work.memory, agenda.clone())
                .with_connections(config.work.connections, config.work.ranges),
            agenda,
            throughput,
            causes: Causes::default(),
            work: config.work,
            progress: Progress::default(),
            clock: corrected,
        }),
    })
}
