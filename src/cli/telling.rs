//! Tells how a command ended to whoever the configuration names: messages, pings, metrics.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};

use super::setup::{self, Setup};
use super::stop::Stop;
use super::{Common, Exit};
use crate::clock::{self, Clock};
use crate::config::{self, Alerts, Channel, ConfigError, Lang};
use crate::ledger::{self, Ledger, Place};
use crate::metrics::Board;
use crate::model::{AppId, Outcome, Reason, RoomId, RunId};
use crate::notify::digest::{Ended, Names};
use crate::notify::metrics::{self, Metrics, Others, Places};
use crate::notify::ping::{End, Pings};
use crate::notify::{self, Desk, Digest, Memory};
use crate::pipeline::{AccountReport, Report};
use crate::progress::{Counts, Progress};

/// How long all of it may take: the receivers get less.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// The same where the time for the run is over: the outbox keeps what does not arrive.
const LIMIT_AT_THE_END: Duration = Duration::from_secs(4);

/// How long the ledger may take to name rooms, and to keep how a run ended.
const KEEPING: Duration = Duration::from_secs(3);

/// At most this many rooms that the run did not work on are looked up by name.
const NAMED: usize = 60;

/// Who is told how a command ended.
pub(super) struct Teller {
    command: &'static str,
    alerts: Alerts,
    clock: Clock,
    began: Instant,
    sender: String,
    /// Whether the command works on a part of the accounts alone.
    is_restricted: bool,
}

/// What watches the nightly run beside the messages.
pub(super) struct Watched<'a> {
    pings: Pings<'a>,
    metrics: Option<Metrics>,
}

impl Teller {
    /// Reads who is told. A configuration that cannot be read tells nobody: the command reports it.
    pub(super) fn new(common: &Common, command: &'static str) -> Self {
        let sources = setup::sources(common).ok();
        let alerts = sources.and_then(|sources| config::load_alerts(&sources).ok());
        let is_restricted = !common.accounts.is_empty();
        Self { is_restricted, ..Self::of(alerts.unwrap_or_default(), command) }
    }

    /// Tells these.
    pub(super) fn of(alerts: Alerts, command: &'static str) -> Self {
        let (clock, began) = (Clock::system(), Instant::now());
        let sender = RunId::new(clock.now()).to_string();
        Self { command, alerts, clock, began, sender, is_restricted: false }
    }

    /// The command.
    pub(super) fn command(&self) -> &'static str {
        self.command
    }

    /// Those who get messages.
    pub(super) fn channels(&self) -> &[Channel] {
        &self.alerts.channels
    }

    /// What telling works with.
    pub(super) fn desk<'a>(&'a self, ledger: Option<&'a Ledger>) -> Desk<'a> {
        Desk { ledger, clock: &self.clock, sender: &self.sender }
    }

    /// Opens a ledger.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(super) async fn open(&self, url: &SecretString) -> Result<Ledger, ledger::Error> {
        Ledger::open_timed(url.expose_secret(), &self.clock).await
    }

    /// The outcomes that count as a success.
    pub(super) fn success(&self) -> &[Outcome] {
        &self.alerts.success
    }

    /// How long it has taken so far.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Tells the monitors that the nightly run begins. Its metrics are on the board too, if there is one.
    pub(super) async fn watch(&self, board: Option<Board>) -> Watched<'_> {
        let (monitor, now) = (&self.alerts.monitor, self.clock.now());
        let places = Places { file: monitor.textfile.clone(), board };
        let is_watched = places.file.is_some() || places.board.is_some();
        let metrics = is_watched.then(|| {
            let accounts = self.alerts.appids.iter().map(String::as_str);
            let others = match (self.alerts.has_others, self.is_restricted) {
                _ if self.alerts.is_partial => Others::Unseen,
                (false, _) => Others::None,
                (true, false) => Others::Found,
                (true, true) => Others::Unseen,
            };
            Metrics::begin(places, now, (accounts, others))
        });
        let mut watched = Watched { pings: Pings::new(monitor, &self.clock), metrics };
        watched.progress(Counts::default());
        watched.pings.start().await;
        watched
    }

    /// Tells how a run with a report ended.
    pub(super) async fn ended(
        &self,
        setup: &Setup,
        report: &Report,
        (outcome, memory): (Outcome, Memory),
        stop: &Stop,
    ) -> Digest {
        let ledger = &setup.context.ledger;
        let limit = limit(stop);
        let digest = stop.within(KEEPING, self.digest(ledger, report, outcome)).await;
        let unnamed = || Digest::of_report(report, self.end(outcome), &Names::new());
        let digest = digest.unwrap_or_else(unnamed);
        let usable = Some(ledger).filter(|ledger| ledger.failure().is_none());
        if stop.within(limit, self.tell(usable, &digest, memory)).await.is_none() {
            tracing::warn!("notifications were not sent in time: the next run sends them");
        }
        digest
    }

    /// Tells that a command could not work at all. It is remembered if the command was to look at everything, so
    /// that the next one which does can say that it is over.
    pub(super) async fn failed(
        &self,
        (ledger, memory): (Option<&Ledger>, Memory),
        error: &anyhow::Error,
        stop: &Stop,
    ) -> Digest {
        let (exit, why) = (Exit::of_error(error), Reason::of(error.as_ref()));
        let outcome =
            if exit == Exit::Interrupted { Outcome::Interrupted } else { Outcome::Failed };
        let digest = Digest::of_failure(&why, self.end(outcome));
        let is_flag = error.downcast_ref().is_some_and(ConfigError::is_flag);
        if is_flag && self.command != "run" {
            // A slip of whoever typed it, who reads it at once.
            return digest;
        }
        let told = stop.within(LIMIT, async {
            let opened = match ledger {
                Some(_) => None,
                None => self.outbox(error).await,
            };
            self.tell(ledger.or(opened.as_ref()), &digest, memory).await;
        });
        if told.await.is_none() {
            tracing::warn!("notifications were not sent in time");
        }
        digest
    }

    /// Tells every channel, and keeps what was told for `notify --dry-run`.
    pub(super) async fn tell(&self, mut ledger: Option<&Ledger>, digest: &Digest, memory: Memory) {
        if let Some(used) = ledger {
            let text = serde_json::to_string(digest).unwrap_or_default();
            let kept = used.keep_digest(self.command, &text, digest.ended_at);
            match clock::within(KEEPING, kept).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::debug!(error = %error, "failed to keep how the run ended");
                }
                // A ledger that hangs must not keep anybody from hearing of it.
                Err(_) => {
                    tracing::warn!(
                        "the ledger does not answer: what cannot be sent now is not kept"
                    );
                    ledger = None;
                }
            }
        }
        let memory = match memory {
            Memory::Kept if self.is_restricted => Memory::OfSome,
            memory => memory,
        };
        notify::tell(&self.alerts.channels, self.desk(ledger), digest, memory).await;
    }

    /// The ledger, if the configuration is what is wrong: only then is it known to be usable.
    async fn outbox(&self, error: &anyhow::Error) -> Option<Ledger> {
        let is_settings = error.is::<ConfigError>();
        let url = self.alerts.ledger_url.as_ref().filter(|_| is_settings)?;
        let is_there = !Place::of(url.expose_secret()).is_missing();
        if is_there { self.open(url).await.ok() } else { None }
    }

    /// How the command ended, for a digest.
    pub(super) fn end(&self, outcome: Outcome) -> Ended<'_> {
        let (command, took) = (self.command, self.began.elapsed());
        Ended { command, outcome, at: self.clock.now(), took }
    }

    async fn digest(&self, ledger: &Ledger, report: &Report, outcome: Outcome) -> Digest {
        let names = names(ledger, report).await;
        let mut digest = Digest::of_report(report, self.end(outcome), &names);
        let appids: Vec<_> = digest.accounts.iter().map(|account| account.appid.clone()).collect();
        match ledger.lost_before(&appids).await {
            Ok(lost) => {
                for account in &mut digest.accounts {
                    account.lost_before = Some(lost.get(&account.appid).copied().unwrap_or(0));
                }
            }
            Err(error) => tracing::debug!(error = %error, "failed to count what was lost earlier"),
        }
        digest
    }
}

/// How long a receiver may take.
fn limit(stop: &Stop) -> Duration {
    if stop.token.is_cancelled() { LIMIT_AT_THE_END } else { LIMIT }
}

/// The names of rooms that the report mentions and that the run did not work on.
async fn names(ledger: &Ledger, report: &Report) -> Names {
    let worked_on: BTreeSet<(&AppId, RoomId)> =
        report.rooms.iter().map(|room| (&room.appid, room.room_id)).collect();
    let lost = report.losses.iter().map(|loss| (&loss.recording.appid, loss.recording.room));
    let of_account = |account: &'_ AccountReport| -> Vec<RoomId> {
        let at_risk = account.at_risk.iter().map(|risk| risk.room_id);
        let waiting = account.waiting.iter().map(|waiting| waiting.room_id);
        at_risk.chain(waiting).chain(account.problems.iter().filter_map(|p| p.room_id)).collect()
    };
    let rest = report.accounts.iter().flat_map(|account| {
        of_account(account).into_iter().map(move |room| (&account.appid, room))
    });
    let mut names = Names::new();
    for (appid, room) in lost.chain(rest) {
        let key = (appid.clone(), room);
        if names.len() >= NAMED || ledger.failure().is_some() {
            break;
        }
        if !worked_on.contains(&(appid, room)) && !names.contains_key(&key) {
            names.insert(key, ledger.room_name(appid, room).await.unwrap_or_default());
        }
    }
    names
}

impl Watched<'_> {
    /// Writes how far the run is.
    fn progress(&mut self, counts: Counts) {
        if let Some(metrics) = &mut self.metrics {
            metrics.progress(counts);
        }
    }

    /// Writes how far the run is, again and again.
    pub(super) async fn follow(&mut self, progress: &Progress) -> Infallible {
        loop {
            clock::pause(metrics::EVERY).await;
            self.progress(progress.counts());
        }
    }

    /// Tells the monitors how the run ended.
    pub(super) async fn end(
        &mut self,
        digest: &Digest,
        (exit, report): (Exit, Option<&Report>),
        stop: &Stop,
    ) {
        if let Some(metrics) = &mut self.metrics {
            metrics.end(digest, report);
        }
        let end = match digest.outcome {
            Outcome::Interrupted => End::Interrupted,
            _ if digest.is_well() || exit == Exit::Done => End::Well,
            _ => End::Badly(exit.code()),
        };
        let message = notify::message(Lang::En, digest, self.pings.now());
        let limit = limit(stop);
        // The pings warn by themselves.
        let _ = stop.within(limit, self.pings.end(end, &message, limit)).await;
    }
}
