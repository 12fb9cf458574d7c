//! Builds what a command works with that only reads the archive: the bucket, and which accounts are
//! meant. Without `[[account]]` they are found in the bucket, and there is no ledger.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use anyhow::Context as _;
use futures::TryStreamExt as _;
use secrecy::ExposeSecret as _;

use super::{Common, output, setup};
use crate::archive::{accounts, published};
use crate::clock::{self, Clock};
use crate::config::{self, CdnFlags, ConfigError, Configured, Reading, Serving};
use crate::ledger::{self, Ledger};
use crate::model::{AppId, Manifest, RoomId};
use crate::playback::BaseUrl;
use crate::schedule::Beside;
use crate::serve::{Accounts, Settings};
use crate::store::Store;

/// The archive that the configuration names.
pub(super) struct Archive {
    pub store: Store,
    /// The chosen accounts: at least one.
    pub accounts: Vec<AppId>,
}

/// How long to wait for the bucket in silence.
const SILENCE: Duration = Duration::from_secs(10);

/// Waits for what the bucket answers, and says so where that takes long: it may not answer at all.
pub(super) async fn awaited<T>(store: &Store, answer: impl Future<Output = T>) -> T {
    let mut answer = pin!(answer);
    if let Ok(answer) = clock::within(SILENCE, &mut answer).await {
        return answer;
    }
    output::aside(format_args!(
        "the bucket {} at {} has not answered for {} s; still waiting",
        store.bucket(),
        store.address(),
        SILENCE.as_secs()
    ));
    answer.await
}

/// Connects to the bucket and finds out which accounts are meant. Asks neither WeChat nor a ledger.
pub(super) async fn open(common: &Common) -> anyhow::Result<Archive> {
    let Reading { store, configured, asked } = reading(common)?;
    archive(store, configured.map(|configured| configured.appids), asked).await
}

/// As [`open`], with the address in front of the bucket if the flags want one.
pub(super) async fn open_linking(
    common: &Common,
    flags: &CdnFlags,
) -> anyhow::Result<(Archive, Option<BaseUrl>)> {
    let (reading, base_url) = config::load_linking(&setup::sources(common)?, flags)?;
    let Reading { store, configured, asked } = reading;
    let appids = configured.map(|configured| configured.appids);
    Ok((archive(store, appids, asked).await?, base_url))
}

/// As [`open`], with the ledger of the configured accounts: a missing one is reported and not created,
/// and an empty one is used.
pub(super) async fn open_with_ledger(common: &Common) -> anyhow::Result<(Archive, Ledger)> {
    let Reading { store, configured, asked } = reading(common)?;
    let ledger = ledger(configured.as_ref()).await?;
    let appids = configured.map(|configured| configured.appids);
    Ok((archive(store, appids, asked).await?, ledger))
}

/// As [`open`], with the configuration of the server, and the accounts that it is to serve.
pub(super) async fn open_serving(
    common: &Common,
    listen: Option<SocketAddr>,
) -> anyhow::Result<(Store, Accounts, Settings)> {
    let Serving { reading, settings } = config::load_serving(&setup::sources(common)?, listen)?;
    let Reading { store, configured, asked } = reading;
    let is_fixed = configured.is_some() || !asked.is_empty();
    let archive = archive(store, configured.map(|configured| configured.appids), asked).await?;
    let appids = archive.accounts.into_iter().collect();
    let accounts = if is_fixed { Accounts::Fixed(appids) } else { Accounts::Found(appids) };
    Ok((archive.store, accounts, settings))
}

/// As [`open`], with the configuration of the server.
pub(super) async fn open_player(common: &Common) -> anyhow::Result<(Archive, Settings)> {
    let Serving { reading, settings } = config::load_serving(&setup::sources(common)?, None)?;
    let Reading { store, configured, asked } = reading;
    let appids = configured.map(|configured| configured.appids);
    Ok((archive(store, appids, asked).await?, settings))
}

fn reading(common: &Common) -> anyhow::Result<Reading> {
    Ok(config::load_reading(&setup::sources(common)?)?)
}

async fn ledger(configured: Option<&Configured>) -> anyhow::Result<Ledger> {
    let Some(Configured { ledger_url, outage_budget, .. }) = configured else {
        return Ok(Ledger::open_timed(ledger::IN_MEMORY, &Clock::system()).await?);
    };
    let url = setup::existing_ledger(ledger_url);
    let ledger = Ledger::open_timed(url.expose_secret(), &Clock::system()).await?;
    Ok(ledger.with_outage_budget(*outage_budget))
}

async fn archive(
    settings: crate::store::Settings,
    configured: Option<Vec<AppId>>,
    asked: Vec<AppId>,
) -> anyhow::Result<Archive> {
    let store = Store::connect(settings).await.context("the store cannot be set up")?;
    let accounts = match configured {
        Some(configured) => configured,
        None => named_or_found(&store, asked).await?,
    };
    Ok(Archive { store, accounts })
}

/// The accounts that the flags name or, if they name none, those that the bucket has.
pub(super) async fn named_or_found(store: &Store, asked: Vec<AppId>) -> anyhow::Result<Vec<AppId>> {
    // Keys that may not list the bucket can still read an account that is named.
    if asked.is_empty() { found(store).await } else { Ok(asked) }
}

/// The accounts that the bucket has.
async fn found(store: &Store) -> anyhow::Result<Vec<AppId>> {
    let place = format!("{}/{} at {}", store.bucket(), store.prefix(), store.address());
    let found = awaited(store, accounts::find(store)).await.context(
        "failed to look for accounts in the bucket\n\
         hint: keys that may not list the bucket need --account with the appid [RA027]",
    )?;
    anyhow::ensure!(
        !found.is_empty(),
        "no account is configured, and none is in {place}\n\
         hint: [store] bucket and prefix say where the archive is; in it each account is a folder \
         named by its appid [RA028]"
    );
    Ok(found)
}

impl Archive {
    /// The only account that has a manifest of this room; `None` if none has. If just one account is
    /// chosen, it is that one in any case.
    pub(super) async fn account_of(&self, room: RoomId) -> anyhow::Result<Option<AppId>> {
        let has = async |appid: &AppId| Ok(accounts::has_room(&self.store, appid, room).await?);
        awaited(&self.store, only_account(&self.accounts, room, has)).await
    }

    /// Reads the manifest of a room; `None` if it has none.
    pub(super) async fn manifest(
        &self,
        appid: &AppId,
        room: RoomId,
    ) -> anyhow::Result<Option<Manifest>> {
        manifest(&self.store, appid, room).await
    }
}

/// Reads the manifest of a room; `None` if it has none.
pub(super) async fn manifest(
    store: &Store,
    appid: &AppId,
    room: RoomId,
) -> anyhow::Result<Option<Manifest>> {
    let keys = store.keys(appid).room(room);
    let key = keys.manifest();
    let Some(bytes) = awaited(store, store.get(&key)).await? else { return Ok(None) };
    let manifest = published::parse(&bytes, &keys, appid, room);
    manifest.map(Some).with_context(|| format!("this version cannot read the manifest {key}"))
}

/// The only account of which `has_room` is true; `None` if there is none. If there is just one account,
/// it is that one in any case.
pub(super) async fn only_account(
    accounts: &[AppId],
    room: RoomId,
    has_room: impl AsyncFn(&AppId) -> anyhow::Result<bool>,
) -> anyhow::Result<Option<AppId>> {
    if let [account] = accounts {
        return Ok(Some(account.clone()));
    }
    let looks = accounts.iter().map(|account| has_room(account));
    let has: Vec<bool> = Beside::Searches.each(looks).try_collect().await?;
    let found = accounts.iter().zip(has).filter_map(|(account, has)| has.then_some(account));
    let found: Vec<_> = found.collect();
    match found.as_slice() {
        [] => Ok(None),
        [account] => Ok(Some((*account).clone())),
        _ => {
            let appids: Vec<_> = found.iter().map(|account| account.as_str()).collect();
            let problem = format!(
                "several accounts have a room {room}: {}\nhint: choose one with --account [RA026]",
                appids.join(", ")
            );
            Err(ConfigError::value("--room", problem).into())
        }
    }
}
