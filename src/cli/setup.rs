//! Builds everything that a command works with from the configuration.

mod elsewhere;

use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::sync::CancellationToken;

use super::{Common, output, reading};
use crate::archive::accounts;
use crate::clock::Clock;
use crate::config::{self, Config, ConfigError, Directory, Environment, Sources};
use crate::ledger::{self, Ledger};
use crate::media::source::MediaClient;
use crate::model::{AppId, Reason, RoomId, RunId, Unread};
use crate::pipeline::owner::{Alive, this_process};
use crate::pipeline::refresher::Refreshing;
use crate::pipeline::{self, Report, Selection, losses};
use crate::progress::Progress;
use crate::schedule::{Budget, Limits, Schedule};
use crate::stage::{Account, Authorization, Blank, Causes, Context, Images, Run};
use crate::store::Store;
use crate::wechat;

/// Everything a command works with.
pub struct Setup {
    /// What the stages share.
    pub context: Arc<Context>,
    /// The accounts to work on.
    pub accounts: Vec<Arc<Account>>,
    /// Where accounts come from besides the configuration.
    pub directory: Directory,
    /// Why accounts are left out whose settings could not be read.
    pub unread: Vec<Unread>,
    /// Why this process may not refresh the platform's tokens, if another one does.
    refreshed_elsewhere: Option<Reason>,
    /// The right to refresh the platform's tokens.
    refreshing: Option<Arc<Refreshing>>,
    api: wechat::Api,
    /// Shows other processes that this one is alive, from the start of a run.
    alive: OnceLock<Option<Alive>>,
    /// The location of the ledger.
    pub ledger_place: ledger::Place,
    /// Whether the ledger was just created.
    pub is_ledger_new: bool,
}

impl Setup {
    /// Checks the bucket before any work whose result would be stored there.
    ///
    /// # Errors
    /// When the bucket is not usable.
    pub async fn find_bucket(&self) -> anyhow::Result<()> {
        self.context.store.check_bucket().await.context("the bucket is not usable")
    }

    /// Runs the pipeline after the bucket was checked. The report lists what went wrong.
    pub async fn run(&self, selection: &Selection, stop: CancellationToken) -> Report {
        let Self { context, accounts, alive, .. } = self;
        // Until the process ends, so that it covers the reporting of losses too.
        alive.get_or_init(|| Alive::show(context));
        // On the heap: it is large.
        let mut report =
            Box::pin(pipeline::run(Arc::clone(context), accounts, selection, stop)).await;
        report.unread.clone_from(&self.unread);
        report
    }

    /// Ends what this process alone may do, so that another one need not wait until its leases expire.
    pub(super) async fn end(&self) {
        if let Some(refreshing) = &self.refreshing {
            refreshing.end().await;
        }
    }

    /// Adds the unreported losses to the report. The caller prints them and then calls
    /// [`Setup::told`]. A run that could do nothing has its own exit code; the next run reports the
    /// losses.
    pub async fn take_losses(&self, report: &mut Report) {
        if report.could_not_run() {
            return;
        }
        losses::take(&self.context, &self.accounts, report).await;
    }

    /// Records that a person was told about the report's losses.
    ///
    /// # Errors
    /// When the ledger fails; then the next run reports the losses again.
    pub async fn told(&self, report: &Report) -> Result<(), ledger::Error> {
        losses::told(&self.context, report).await
    }

    /// Leaves the losses to the next run, because this one could not report them.
    ///
    /// # Errors
    /// When the ledger fails; then a later run reports them.
    pub(super) async fn untold(&self) -> Result<(), ledger::Error> {
        self.context.ledger.void_telling(self.context.owner()).await
    }

    /// Keeps only the account that has a room with this number.
    pub(super) async fn keep_account_of(&mut self, room: RoomId) -> anyhow::Result<()> {
        let appids: Vec<_> = self.accounts.iter().map(|account| account.appid.clone()).collect();
        let found = account_of(&self.context, &appids, room).await?;
        self.accounts.retain(|account| account.appid == found);
        Ok(())
    }

    /// Prints that the ledger is new, if it is: its path may not be the intended one.
    pub(super) fn note_new_ledger(&self) {
        if self.is_ledger_new {
            let place = &self.ledger_place;
            output::note(format_args!("created a new ledger: {place}{}", relative_hint(place)));
        }
    }
}

/// The only one of the accounts that has a room with this number, in the ledger or in the bucket. If it is just
/// one account, it is that one in any case.
pub(super) async fn account_of(
    context: &Context,
    appids: &[AppId],
    room: RoomId,
) -> anyhow::Result<AppId> {
    // A new ledger may know only some of the accounts, and the bucket contains only what was
    // archived.
    let found = reading::only_account(appids, room, async |appid| {
        Ok(context.ledger.room(appid, room).await?.is_some()
            || accounts::has_room(&context.store, appid, room).await?)
    });
    if let Some(appid) = found.await? {
        return Ok(appid);
    }
    let appids: Vec<_> = appids.iter().map(AppId::as_str).collect();
    let problem = format!(
        "neither the ledger nor the bucket has a room {room} of any account\n\
         hint: choose its account with --account; configured accounts: {} [RA026]",
        appids.join(", ")
    );
    Err(ConfigError::value("--room", problem).into())
}

/// What to do if another ledger was meant.
pub(super) fn relative_hint(place: &ledger::Place) -> &'static str {
    if place.is_relative {
        "\nhint: [ledger] url is relative to the current directory; use an absolute path to get \
         the same ledger from anywhere [RA413]"
    } else {
        ""
    }
}

/// The configuration file and the environment, according to the flags.
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

/// Opens the ledger, creating it if it is missing, and builds the clients. Makes no remote request
/// yet, except to a remote ledger, and to WeChat for the list of a third-party platform.
pub(super) async fn open(common: &Common) -> anyhow::Result<Setup> {
    let mut setup = build(config(common)?, Clock::system()).await?;
    let listed = setup.list_platform().await;
    if let Err(error) = listed.and_then(|()| Ok(setup.must_have_accounts()?)) {
        setup.end().await;
        return Err(error);
    }
    Ok(setup)
}

/// Like [`open`], also where there is no account yet.
pub(super) async fn open_for_accounts(common: &Common) -> anyhow::Result<Setup> {
    build(config(common)?, Clock::system()).await
}

/// Like [`open`], for a command that only reads: a missing ledger is reported and not created, and
/// the command works with an empty one.
pub(super) async fn open_existing(common: &Common) -> anyhow::Result<Setup> {
    let setup = open_existing_for_accounts(common).await?;
    setup.must_have_accounts()?;
    Ok(setup)
}

/// Like [`open_existing`], also where there is no account.
pub(super) async fn open_existing_for_accounts(common: &Common) -> anyhow::Result<Setup> {
    let mut config = config(common)?;
    let place = ledger::Place::of(config.ledger_url.expose_secret());
    config.ledger_url = existing_ledger(&config.ledger_url);
    Ok(Setup { ledger_place: place, ..build(config, Clock::system()).await? })
}

/// The URL of the ledger for a command that only reads: a missing one is reported, and an empty one in
/// memory is used.
pub(super) fn existing_ledger(url: &SecretString) -> SecretString {
    let place = ledger::Place::of(url.expose_secret());
    if !place.is_missing() {
        return url.clone();
    }
    output::note(format_args!(
        "there is no ledger yet: {place}\n\
         hint: the first `run` creates it, and finds what the bucket already has [RA414]{}",
        relative_hint(&place)
    ));
    ledger::IN_MEMORY.into()
}

/// An account that a command works on.
fn account(api: &wechat::Api, account: config::Account) -> Arc<Account> {
    let client = api.client(account.appid.clone(), account.tokens);
    let config::Account { appid, share, is_stitched, select, origin, .. } = account;
    let authorization = Authorization::default();
    Arc::new(Account { appid, client, share, is_stitched, select, origin, authorization })
}

/// Builds everything a command works with from a parsed configuration. Makes no remote request yet,
/// except to a remote ledger.
///
/// # Errors
/// When the ledger cannot be opened or a client cannot be built.
pub fn build(config: Config, clock: Clock) -> impl Future<Output = anyhow::Result<Setup>> + Send {
    // On the heap: it is large, and every command would contain it.
    Box::pin(async move {
        let ledger_place = ledger::Place::of(config.ledger_url.expose_secret());
        let is_ledger_new = ledger_place.is_missing();
        let ledger = Ledger::open_timed(config.ledger_url.expose_secret(), &clock).await?;
        Ok(Setup { is_ledger_new, ..build_on(ledger, config, clock).await? })
    })
}

/// Like [`build`], on a ledger that is open.
///
/// # Errors
/// When a client cannot be built.
pub(super) async fn build_on(
    ledger: Ledger,
    config: Config,
    clock: Clock,
) -> anyhow::Result<Setup> {
    let ledger_place = ledger::Place::of(config.ledger_url.expose_secret());
    let ledger = ledger.with_outage_budget(config.outage_budget);
    let store = Store::connect(config.store).await.context("failed to set up the store")?;
    let media = MediaClient::new(&config.media).context("failed to set up [media]")?;
    let images = config.images.as_ref().map(|hosts| MediaClient::new(hosts).map(Images::new));
    let started_at = clock.now();
    // Deadlines follow WeChat's clock. Durations and leases do not.
    let corrected = clock.corrected();
    let limits = Limits {
        memory: config.work.memory,
        files: config.work.files,
        ranges: config.work.ranges,
        connections: config.work.connections,
    };
    let run_id = RunId::new(started_at);
    let owner = this_process(&run_id);
    let component = config.directory.component().filter(|component| component.is_refresher());
    let refreshing = component.map(|component| {
        Refreshing::guard(component, &ledger, &clock, (owner.as_str(), config.work.lease))
    });
    let api = wechat::Api::new(&config.wechat, clock);
    let api = api.context("failed to set up the WeChat client")?;
    let mut accounts: Vec<_> = config.accounts.into_iter().map(|one| account(&api, one)).collect();
    let mut directory = config.directory;
    let mut unread = std::mem::take(&mut directory.unread);
    let registered = elsewhere::registered(&ledger, &directory, &accounts).await?;
    accounts.extend(registered.accounts.into_iter().map(|one| account(&api, one)));
    unread.extend(registered.unread);
    Ok(Setup {
        directory,
        unread,
        refreshed_elsewhere: None,
        refreshing,
        api,
        alive: OnceLock::new(),
        accounts,
        ledger_place,
        is_ledger_new: false,
        context: Arc::new(Context {
            ledger,
            store,
            media,
            playlists: Budget::new(Context::PLAYLISTS),
            images: images.transpose().context("failed to set up [images]")?,
            run: Run {
                owner,
                id: run_id,
                started_at,
                lease: config.work.lease,
                guard: config.guard,
                blank: Blank::default(),
            },
            schedule: Schedule::new(corrected.clone(), limits),
            causes: Arc::new(Causes::default()),
            work: config.work,
            progress: Progress::default(),
            clock: corrected,
        }),
    })
}
