//! Finds work: for each account, discovers the new rooms, then sends rooms to the transfers one by
//! one, soonest deadline first, while it reads the rest of the list.

mod bring;
mod chosen;
mod claim;
mod samples;

use std::sync::Arc;

use futures::{Stream, StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

use super::at_work::at_work;
use super::lacking::{note_lacking, survey_early};
use super::list::List;
use super::order::by_urgency;
use super::report::{AccountReport, RunProblem};
use super::{InFlight, Rooms, Selection, each, is_told, lacking, obstacles};
use crate::ledger::Wanted;
use crate::model::{Reason, RoomId, Stage};
use crate::spans;
use crate::stage::adopt::restore;
use crate::stage::discover::{Reading, Scan, Scanned};
use crate::stage::{Account, Context, Error, seal, selection};
use samples::Samples;

/// Accounts searched at once.
const ACCOUNTS: usize = 8;

/// Finds the work of all accounts. Returns when there is no more, or `stop` is cancelled.
pub(super) async fn find(
    context: &Arc<Context>,
    accounts: &[Arc<Account>],
    selection: &Selection,
    listed: mpsc::Sender<InFlight>,
    stop: &CancellationToken,
) -> Vec<AccountReport> {
    let search = |account: &Arc<Account>| {
        let mut search = Search {
            context: Arc::clone(context),
            account: Arc::clone(account),
            selection: selection.clone(),
            listed: listed.clone(),
            can_call: true,
            failures: 0,
            samples: None,
            list: None,
            report: AccountReport::new(&account.appid),
        };
        let searching = async move {
            let is_cut_short = tokio::select! {
                () = search.run_to_its_end() => false,
                () = stop.cancelled() => true,
            };
            // What it has found by then is told.
            let report = AccountReport { is_cut_short, ..search.report };
            context.progress.end_account(&report.appid);
            let problem = report.problems.first().map(|problem| &problem.error);
            spans::end(&Span::current(), &problem.map_or(Ok(()), Err));
            report
        };
        searching.instrument(spans::account(&account.appid))
    };
    context.progress.expect_accounts(accounts.iter().map(|account| &account.appid));
    each(&by_urgency(context, accounts).await, ACCOUNTS, search).await
}

/// After this many consecutive rooms for which WeChat calls failed, the search makes no more calls.
const MOST_FAILURES: u32 = 3;

/// The search for work in one account.
#[derive(Debug)]
struct Search {
    context: Arc<Context>,
    account: Arc<Account>,
    selection: Selection,
    listed: mpsc::Sender<InFlight>,
    /// Whether this run may still call WeChat.
    can_call: bool,
    /// Consecutive rooms for which WeChat calls failed.
    failures: u32,
    /// Which rooms to ask WeChat about next, once the first ones have failed because of their host.
    samples: Option<Samples>,
    /// The room list, while pages of it remain to be read.
    list: Option<List>,
    report: AccountReport,
}

/// When to read a page of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Only when it is the list's turn.
    Its,
    /// In any case, because no room needs the call.
    Any,
}

impl Search {
    /// Searches, and ends the pause of an account for which WeChat answers again.
    async fn run_to_its_end(&mut self) {
        let (context, account) = (Arc::clone(&self.context), Arc::clone(&self.account));
        self.run().await;
        let lifted = lift_pause(&context, &account).await;
        // A ledger that has failed is reported once, by the run.
        if let Err(error) = lifted
            && context.ledger.failure().is_none()
        {
            self.report.add(RunProblem::new("the ledger", &error));
        }
    }

    async fn run(&mut self) {
        let (context, account) = (Arc::clone(&self.context), Arc::clone(&self.account));
        let selection = self.selection.clone();
        if let Err(error) = selection::apply(context.calls(), &account).await {
            self.note("the ledger", &error);
            return;
        }
        // The one asks WeChat, the other the bucket. On the heap: they are large.
        let survey = Box::pin(survey_early(&context, &account.appid, &selection));
        let (prepared, surveyed) = tokio::join!(Box::pin(self.prepare()), survey);
        if let Err(error) = prepared {
            // Without a token or calls left, known recordings can still be transferred.
            self.can_call = !ends_calls(&error);
            self.note("the room list", &error);
            if error.is_of_the_ledger() {
                return;
            }
        }
        if let Err(error) = obstacles::lift(&self.context, &self.account.appid).await {
            self.note("the ledger", &error.into());
            return;
        }
        let is_full = self.report.scanned.is_some_and(|scanned| scanned.full);
        let noted = note_lacking(&context, &account.appid, &selection, (is_full, surveyed)).await;
        if let Err(error) = noted {
            self.note("the listing of the bucket", &error);
            // Archiving there now would hide that this is the wrong place.
            self.report.is_misplaced = matches!(error, Error::NothingThere(_));
            if error.is_of_the_ledger() || self.report.is_misplaced {
                return;
            }
        }
        let outcome = match self.selection.clone() {
            Selection::Due => self.all_due().await,
            Selection::Backfill { rooms, force } => self.chosen(rooms, force).await,
        };
        if let Err(error) = outcome {
            self.note("the ledger", &error);
        }
    }

    async fn prepare(&mut self) -> Result<(), Error> {
        if self.is_fresh().await? {
            return Ok(());
        }
        begin(&self.context, &self.account).await?;
        self.discover().await
    }

    /// Whether another process has read the list since this run began: nothing new can be in it.
    async fn is_fresh(&self) -> Result<bool, Error> {
        let (context, appid) = (&self.context, &self.account.appid);
        let scans = context.ledger.scan_state(appid, context.clock.now()).await?;
        // A scan that is yet to come says that this machine's clock is behind: it may be an old one.
        let since = context.due_by()..=context.clock.now();
        let is_newer =
            scans.scanned_at.is_some_and(|at| at != *since.start() && since.contains(&at));
        Ok(self.selection == Selection::Due && is_newer && scans.offset == 0)
    }

    fn note(&mut self, what: &str, error: &Error) {
        if is_told(&self.context, error) {
            return;
        }
        tracing::info!(account.appid = %self.account.appid, error = %Reason::of(error), "failed to read {what}");
        self.report.problems.push(RunProblem::new(what, error));
    }

    fn note_room(&mut self, room: RoomId, error: &Error) {
        if is_told(&self.context, error) {
            return;
        }
        tracing::info!(account.appid = %self.account.appid, room.id = %room, error = %Reason::of(error), "failed to look up room {room}");
        self.report.problems.push(RunProblem::of_room(room, error));
    }

    async fn discover(&mut self) -> Result<(), Error> {
        let scan = match self.selection {
            Selection::Due | Selection::Backfill { rooms: Rooms::Between { .. }, force: false } => {
                Scan::Usual
            }
            Selection::Backfill { rooms: Rooms::Between { .. }, force: true } => Scan::Full,
            Selection::Backfill { rooms: Rooms::One(room), .. } => {
                return self.look_for(room).await;
            }
        };
        let list = List::begin(&self.context, &self.account, scan).await?;
        self.report.scanned = Some(list.scanned());
        self.list = Some(list);
        Ok(())
    }

    /// Reads a page of the list if one is left that may contain wanted rooms; returns whether it did.
    ///
    /// # Errors
    /// When the ledger fails. Any other failure is recorded in the report and ends the reading in
    /// this run.
    async fn read(&mut self, turn: Turn) -> Result<bool, Error> {
        let Some(list) = self.list.as_mut().filter(|_| self.can_call) else { return Ok(false) };
        if let Selection::Backfill { rooms: Rooms::Between { from: Some(from), .. }, .. } =
            self.selection
            && list.reading().is_below(from)
        {
            return Ok(false);
        }
        let read = match turn {
            Turn::Its => list.take_turn(&self.context, &self.account).await,
            Turn::Any => list.page(&self.context, &self.account).await,
        };
        self.report.scanned = Some(list.scanned());
        match read {
            Err(error) if !error.is_of_the_ledger() => {
                self.list = None;
                self.can_call = !ends_calls(&error);
                self.note("the room list", &error);
                Ok(false)
            }
            read => read,
        }
    }

    /// Tells the progress display how many rooms are due.
    async fn expect_rooms(&self) -> Result<(), Error> {
        let (context, appid) = (&self.context, &self.account.appid);
        let due = context.ledger.due_rooms(appid, context.due_by()).await?;
        context.progress.expect_rooms(appid, due);
        Ok(())
    }

    /// Works on everything that was due when the run began, and on what the list adds meanwhile.
    async fn all_due(&mut self) -> Result<(), Error> {
        self.expect_rooms().await?;
        loop {
            self.heed_causes();
            if self.read(Turn::Its).await? {
                self.expect_rooms().await?;
                continue;
            }
            let is_undecided = self.can_call && self.is_undecided();
            let wanted = if self.can_call && !is_undecided { Wanted::Any } else { Wanted::Listed };
            // Before the claim: while a claimed room waited for a permit, another process could have
            // worked on it.
            let claimed = match self.permit(wanted).await? {
                Some(permit) => self.claim(wanted).await?.map(|record| (record, permit)),
                None => None,
            };
            if let Some((record, permit)) = claimed {
                Box::pin(self.bring(record, permit, false)).await?;
            } else if is_undecided && self.has_due().await? {
                self.context.causes.decided(&self.account.appid).await;
            } else if !self.read(Turn::Any).await? {
                return Ok(());
            }
        }
    }
}

/// Checks the token and aligns the quota before the room list is read. The token comes first, before any
/// call is counted: no call works without one. If the list was never read to its end, the ledger may be
/// a replacement for one that was lost, so rooms are restored from the bucket too.
async fn begin(context: &Context, account: &Account) -> Result<(), Error> {
    account.check_token(context.calls()).await?;
    align_quota(context, account).await;
    let scans = context.ledger.scan_state(&account.appid, context.clock.now()).await?;
    if scans.full_scanned_at.is_none() {
        let restored = restore(context.records(), &account.appid);
        at_work(context, &account.appid, Stage::Check, restored).await?;
    }
    Ok(())
}

/// Ends the pause of an account for which WeChat has answered all calls of this run.
async fn lift_pause(context: &Context, account: &Account) -> Result<(), Error> {
    if account.authorization.is_granted() && context.ledger.unpause(&account.appid).await? {
        tracing::info!(account.appid = %account.appid, "WeChat authorises the calls for the account again");
    }
    Ok(())
}

/// Reads the new rooms of an account, and then more of its list, using at most half of the calls left
/// today. The next run continues there with the other half.
///
/// # Errors
/// When a page cannot be read, or the ledger fails.
pub async fn look(context: &Context, account: &Account) -> Result<(), Error> {
    selection::apply(context.calls(), account).await?;
    begin(context, account).await?;
    let today = context.ledger.quota(&account.appid, context.clock.now(), account.share).await?;
    let mut list = List::begin(context, account, Scan::Usual).await?;
    while list.scanned().pages < today.left() / 2 && list.page(context, account).await? {}
    lift_pause(context, account).await
}

/// Reads the rooms of an account that are new or changing, which takes one call for most accounts, and
/// publishes the catalog. Archives nothing.
///
/// # Errors
/// When a page cannot be read, the ledger or the store fails, or the bucket contains nothing of an account
/// that was archived before.
pub async fn refresh(context: &Context, account: &Account) -> Result<Scanned, Error> {
    lacking::check_place(context, &account.appid).await?;
    selection::apply(context.calls(), account).await?;
    begin(context, account).await?;
    let mut reading = Reading::begin(context.calls(), account, Scan::Usual).await?;
    while !reading.is_past_the_new() {
        reading.page(context.calls(), account).await?;
    }
    lift_pause(context, account).await?;
    seal::publish_catalog(context.records(), &account.appid).await?;
    Ok(reading.scanned())
}

/// [`refresh`]es accounts, several at once, in their order.
pub fn refresh_all<'a>(
    context: &'a Context,
    accounts: &'a [Arc<Account>],
) -> impl Stream<Item = (&'a Arc<Account>, Result<Scanned, Error>)> + Unpin {
    let refreshed =
        async move |account: &'a Arc<Account>| (account, refresh(context, account).await);
    Box::pin(stream::iter(accounts).map(refreshed).buffered(ACCOUNTS))
}

/// Makes one call for the account, which shows whether WeChat authorises it: pauses it, or ends its pause.
///
/// # Errors
/// When WeChat does not answer, or the ledger fails.
pub async fn ask(context: &Context, account: &Account) -> Result<(), Error> {
    account.check_token(context.calls()).await?;
    account.call(context.calls(), "the room list", || account.client.rooms(0)).await?;
    lift_pause(context, account).await
}

/// Adopts WeChat's own count of today's calls. WeChat may refuse to tell; then only the local count
/// applies.
pub async fn align_quota(context: &Context, account: &Account) {
    let quota = crate::retry::with(&context.work.api_retry, "the quota", || async {
        account.client.admit()?;
        account.client.quota().await
    });
    let quota = quota.await;
    context.calls().compare_clocks(account);
    let aligned = match quota {
        Ok(quota) => {
            let now = context.clock.now();
            let (limit, used) = (quota.daily_limit, quota.used);
            context.ledger.align_quota(&account.appid, now, limit, used).await.map_err(Error::from)
        }
        Err(error) => Err(error.into()),
    };
    if let Err(error) = aligned {
        tracing::debug!(account.appid = %account.appid, error = %error, "failed to get today's call count from WeChat");
    }
}

/// Whether a failure affects every call of the account, so that this run makes no more.
fn ends_calls(error: &Error) -> bool {
    use crate::wechat::{Class, Error as Wechat};
    match error {
        Error::Wechat(Wechat::NoToken { .. } | Wechat::Down { .. }) | Error::Unauthorized(_) => {
            true
        }
        Error::Wechat(wechat) => {
            let class = wechat.class();
            let is_lasting = matches!(class, Class::Configuration(_) | Class::RefreshToken);
            is_lasting || matches!(class, Class::NextDay | Class::NextMinute)
        }
        _ => error.is_quota(),
    }
}
