//! Builds what a command works with that publishes manifests anew: `stitch` and `ack`. It works under the lease of
//! each room in the ledger. Without `[[account]]` and `[ledger]` there is none: then the store must be shown to replace
//! a manifest only if it is still the one that was read.

use anyhow::{Context as _, bail};

use super::setup::{self, Setup};
use super::{Common, reading};
use crate::clock::Clock;
use crate::config::{self, Guard};
use crate::model::{AppId, RoomId};
use crate::store::IfMatch;

/// Everything such a command works with.
pub(super) struct Revising {
    pub setup: Setup,
    /// The accounts that are meant: at least one.
    pub accounts: Vec<AppId>,
}

/// Reads the configuration that the flags name.
pub(super) fn config(common: &Common) -> anyhow::Result<config::Revising> {
    Ok(config::load_revising(&setup::sources(common)?)?)
}

/// Opens the ledger, creating it if it is missing, checks the bucket, and finds the accounts that are meant.
pub(super) async fn open(wanted: config::Revising) -> anyhow::Result<Revising> {
    let config::Revising { config, asked } = wanted;
    let setup = setup::build(config, Clock::system()).await?;
    // Those of the ledger's table too.
    let configured: Vec<_> = setup.accounts.iter().map(|one| one.appid.clone()).collect();
    setup.find_bucket().await?;
    let accounts = match configured.is_empty() {
        false => configured,
        true => reading::named_or_found(&setup.context.store, asked).await?,
    };
    Ok(Revising { setup, accounts })
}

impl Revising {
    /// Whether there is a ledger.
    pub(super) fn has_ledger(&self) -> bool {
        self.setup.context.run.guard == Guard::Lease
    }

    /// Makes sure that no other process can publish a room unnoticed. Writes a probe where there is no ledger.
    pub(super) async fn find_guard(&self) -> anyhow::Result<()> {
        if self.has_ledger() {
            return Ok(());
        }
        let found = self.setup.context.store.if_match().await;
        let problem =
            match found.context("failed to find out whether the store honours If-Match")? {
                IfMatch::Honoured => return Ok(()),
                IfMatch::Ignored => "ignores If-Match",
                IfMatch::Refused => "refuses If-Match",
            };
        bail!(
            "there is no ledger, and the store {problem}: nothing would keep another process from the same room\n\
             hint: use the configuration of whoever archives into this bucket, with its [ledger] and [[account]] [RA414]"
        )
    }

    /// Keeps only the account that has a room with this number.
    pub(super) async fn keep_account_of(&mut self, room: RoomId) -> anyhow::Result<()> {
        let found = setup::account_of(&self.setup.context, &self.accounts, room).await?;
        self.accounts = vec![found];
        Ok(())
    }
}
