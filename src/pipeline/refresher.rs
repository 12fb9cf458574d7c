//! The right to refresh the tokens of a third-party platform: a lease that one process has at a time.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::owner;
use crate::clock::{self, Clock};
use crate::ledger::{self, Ledger, Refresher};
use crate::model::{AppId, Reason};
use crate::wechat::{Component, MayRefresh};

/// How long a process that may not refresh waits before it asks again.
const PAUSE: SignedDuration = SignedDuration::from_mins(1);

/// Whether this process may refresh a platform's tokens. Asks the ledger when that matters for the first time;
/// from then on the lease is renewed in the background.
#[derive(Debug)]
pub struct Refreshing {
    ledger: Ledger,
    clock: Clock,
    platform: AppId,
    owner: String,
    lease: SignedDuration,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Unasked,
    Mine(AbortOnDropHandle<()>),
    Refused { at: Timestamp, why: Reason },
}

impl Refreshing {
    /// Lets the platform's tokens be refreshed only while this process has the lease.
    pub fn guard(
        component: &Component,
        ledger: &Ledger,
        clock: &Clock,
        (owner, lease): (&str, SignedDuration),
    ) -> Arc<Self> {
        let (ledger, clock) = (ledger.clone(), clock.clone());
        let (platform, owner) = (component.appid().clone(), owner.to_owned());
        let state = Mutex::new(State::Unasked);
        let refreshing = Arc::new(Self { ledger, clock, platform, owner, lease, state });
        let asked = Arc::clone(&refreshing);
        let may_refresh: MayRefresh = Box::new(move || {
            let asked = Arc::clone(&asked);
            Box::pin(async move { asked.may_refresh().await })
        });
        component.refresh_if(may_refresh);
        refreshing
    }

    async fn may_refresh(self: &Arc<Self>) -> Result<(), Reason> {
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        match &*state {
            // The renewal ends when the lease is lost.
            State::Mine(renewal) if !renewal.is_finished() => return Ok(()),
            State::Refused { at, why } if now.duration_since(*at) < PAUSE => {
                return Err(why.clone());
            }
            _ => {}
        }
        match self.take().await {
            Ok(None) => {
                let renewal = tokio::spawn(Arc::clone(self).renew());
                *state = State::Mine(AbortOnDropHandle::new(renewal));
                Ok(())
            }
            Ok(Some(other)) => {
                let why = self.refused(&other);
                *state = State::Refused { at: now, why: why.clone() };
                Err(why)
            }
            Err(error) => Err(Reason::of(&error)),
        }
    }

    /// Takes the lease, at once if its owner is proven to have ended.
    async fn take(&self) -> Result<Option<Refresher>, ledger::Error> {
        let take = || self.ledger.take_refreshing(&self.platform, &self.owner, self.lease);
        match take().await? {
            Some(other) if owner::is_gone(&self.ledger, &other.owner) => {
                self.ledger.end_refreshing(&other.owner).await?;
                take().await
            }
            taken => Ok(taken),
        }
    }

    /// Renews the lease until another process has it.
    async fn renew(self: Arc<Self>) {
        let third = self.lease.as_millis() / 3;
        let every = Duration::from_millis(u64::try_from(third).unwrap_or(1_000).max(1_000));
        let mut renewed_at = Instant::now();
        loop {
            clock::pause(every).await;
            let asked_at = Instant::now();
            let renewed =
                self.ledger.take_refreshing(&self.platform, &self.owner, self.lease).await;
            match renewed {
                Ok(None) => renewed_at = asked_at,
                Ok(Some(other)) => {
                    let why = self.refused(&other);
                    return tracing::warn!(error = %why, "lost the right to refresh the platform's tokens");
                }
                // By now another process may have it.
                Err(error)
                    if renewed_at.elapsed().as_millis()
                        >= self.lease.as_millis().unsigned_abs() =>
                {
                    return tracing::warn!(error = %error, "the right to refresh the platform's tokens has expired");
                }
                Err(error) => {
                    tracing::debug!(error = %error, "failed to renew the right to refresh tokens");
                }
            }
        }
    }

    fn refused(&self, other: &Refresher) -> Reason {
        let run = other.owner.split(' ').next().unwrap_or_default();
        let since = other.since.map_or_else(String::new, |at| format!(" since {at:.0}"));
        Reason::parse(&format!(
            "run {run} refreshes the tokens of the platform {}{since}, and a second process that does would make \
             them void\nhint: let one process at a time work on the platform's accounts, or have it keep its tokens \
             in Redis, where source = \"redis\" reads them [RA223]",
            self.platform
        ))
    }

    /// Gives the lease back, so that another process may take it at once.
    pub async fn end(&self) {
        let state = std::mem::replace(&mut *self.state.lock().await, State::Unasked);
        if !matches!(state, State::Mine(_)) || self.ledger.failure().is_some() {
            return;
        }
        drop(state);
        if let Err(error) = self.ledger.end_refreshing(&self.owner).await {
            tracing::debug!(error = %error, "failed to give the right to refresh tokens back; it expires");
        }
    }
}
