//! Finding work: per account, discover the new rooms, then bring rooms to light one by one, the
//! soonest deadline first, while the rest of the list is read, and hand them to the transfers.

mod bring;
mod chosen;
mod claim;
mod samples;

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::lacking::note_lacking;
use super::list::List;
use super::order::by_urgency;
use super::report::{self, AccountReport, Problem};
use super::{Errand, Hand, Hands, InFlight, Rooms, each, is_told, obstacles};
use crate::ledger::Wanted;
use crate::model::RoomId;
use crate::stage::adopt::restore;
use crate::stage::discover::Scan;
use crate::stage::{Account, Context, Error};
use samples::Samples;

/// Accounts worked on at once.
const ACCOUNTS: usize = 8;

/// Finds the work of all accounts. Ends when there is no more, or `stop` is cancelled.
pub(super) async fn find(
    context: &Arc<Context>,
    accounts: &[Arc<Account>],
    errand: &Errand,
    hands: Hands,
    listed: mpsc::Sender<(InFlight, Hand)>,
    stop: &CancellationToken,
) -> Vec<AccountReport> {
    let search = |account: &Arc<Account>| {
        let search = Search {
            context: Arc::clone(context),
            account: Arc::clone(account),
            errand: errand.clone(),
            hands: hands.clone(),
            listed: listed.clone(),
            can_call: true,
            failures: 0,
            samples: None,
            list: None,
            report: AccountReport::new(&account.appid),
        };
        async move {
            let cut_short = AccountReport { is_cut_short: true, ..search.report.clone() };
            let report = tokio::select! {
                report = search.run() => report,
                () = stop.cancelled() => cut_short,
            };
            context.progress.end_account(&report.appid);
            report
        }
    };
    context.progress.expect_accounts(accounts.iter().map(|account| &account.appid));
    each(&by_urgency(context, accounts).await, ACCOUNTS, search).await
}

/// After so many rooms in a row that WeChat could not be asked about, no more calls are spent on
/// trying.
const MOST_FAILURES: u32 = 3;

/// The search for work in one account.
#[derive(Debug)]
struct Search {
    context: Arc<Context>,
    account: Arc<Account>,
    errand: Errand,
    hands: Hands,
    listed: mpsc::Sender<(InFlight, Hand)>,
    /// Whether WeChat can still be asked in this run.
    can_call: bool,
    /// Rooms in a row that WeChat could not be asked about.
    failures: u32,
    /// Which rooms are asked about next, where the first ones have failed for their host.
    samples: Option<Samples>,
    /// The room list, as far as it is still to be read.
    list: Option<List>,
    report: AccountReport,
}

/// When a page of the list is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// In its turn alone.
    Its,
    /// In any case, as no room wants the call.
    Any,
}

impl Search {
    async fn run(mut self) -> AccountReport {
        if let Err(error) = self.prepare().await {
            // Without a token or calls, what is known already can still be transferred.
            self.can_call = !ends_calls(&error);
            self.note("the room list", &error);
            if error.is_of_the_ledger() {
                return self.report;
            }
        }
        if let Err(error) = obstacles::lift(&self.context, &self.account.appid).await {
            self.note("the ledger", &error.into());
            return self.report;
        }
        let is_full = self.report.scanned.is_some_and(|scanned| scanned.full);
        let noted = note_lacking(&self.context, &self.account.appid, &self.errand, is_full).await;
        if let Err(error) = noted {
            self.note("the listing of the bucket", &error);
            // What would be archived there now would hide that this is another place.
            self.report.is_misplaced = matches!(error, Error::NothingThere(_));
            if error.is_of_the_ledger() || self.report.is_misplaced {
                return self.report;
            }
        }
        let outcome = match self.errand.clone() {
            Errand::Due => self.all_due().await,
            Errand::Backfill { rooms, force } => self.chosen(rooms, force).await,
        };
        if let Err(error) = outcome {
            self.note("the ledger", &error);
        }
        self.report
    }

    /// Everything up to the new rooms being known. The token comes first, before any call is charged:
    /// without one there is nothing to call with. As long as the list was never read to its end, the
    /// ledger may be one that was lost: the bucket knows rooms that it does not.
    async fn prepare(&mut self) -> Result<(), Error> {
        self.account.client.check_token().await?;
        align_quota(&self.context, &self.account).await;
        let (context, appid) = (&self.context, &self.account.appid);
        let scans = context.ledger.scan_state(appid, context.clock.now()).await?;
        if scans.full_scanned_at.is_none() {
            restore(context, appid).await?;
        }
        self.discover().await
    }

    fn note(&mut self, what: &str, error: &Error) {
        if is_told(&self.context, error) {
            return;
        }
        tracing::info!(account.appid = %self.account.appid, error = %report::text(error), "{what} could not be read");
        self.report.problems.push(Problem::new(what, error));
    }

    fn note_room(&mut self, room: RoomId, error: &Error) {
        if is_told(&self.context, error) {
            return;
        }
        tracing::info!(account.appid = %self.account.appid, room.id = %room, error = %report::text(error), "a room could not be looked at");
        self.report.problems.push(Problem::of_room(room, error));
    }

    async fn discover(&mut self) -> Result<(), Error> {
        let scan = match self.errand {
            Errand::Due | Errand::Backfill { rooms: Rooms::Between { .. }, force: false } => {
                Scan::Usual
            }
            Errand::Backfill { rooms: Rooms::Between { .. }, force: true } => Scan::Full,
            Errand::Backfill { rooms: Rooms::One(room), .. } => return self.look_for(room).await,
        };
        let list = List::begin(&self.context, &self.account, scan).await?;
        self.report.scanned = Some(list.scanned());
        self.list = Some(list);
        Ok(())
    }

    /// Reads a page of the list where one is left that can be wanted; says whether there was one.
    ///
    /// # Errors
    /// When the ledger fails. Whatever else goes wrong ends the reading for this run and is noted.
    async fn read(&mut self, turn: Turn) -> Result<bool, Error> {
        let Some(list) = self.list.as_mut().filter(|_| self.can_call) else { return Ok(false) };
        if let Errand::Backfill { rooms: Rooms::Between { from: Some(from), .. }, .. } = self.errand
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

    /// Lets whoever watches know how many rooms there are to be worked on.
    async fn expect_rooms(&self) -> Result<(), Error> {
        let (context, appid) = (&self.context, &self.account.appid);
        let due = context.ledger.due_rooms(appid, context.due_by()).await?;
        context.progress.expect_rooms(appid, due);
        Ok(())
    }

    /// Everything that was due when the run began, and what the list brings to light meanwhile.
    async fn all_due(&mut self) -> Result<(), Error> {
        self.expect_rooms().await?;
        loop {
            self.heed_causes();
            if self.read(Turn::Its).await? {
                self.expect_rooms().await?;
                continue;
            }
            let wanted = if self.can_call { Wanted::Any } else { Wanted::Listed };
            // Before the claim: a room that waits for anything else could be another process's.
            let claimed = match self.hand(wanted).await? {
                Some(hand) => self.claim(wanted).await?.map(|record| (record, hand)),
                None => None,
            };
            if let Some((record, hand)) = claimed {
                self.bring(record, hand, false).await?;
            } else if !self.read(Turn::Any).await? {
                return Ok(());
            }
        }
    }
}

/// Reads the new rooms of an account, and the rest of its list as far as half of the calls go that are
/// left today: the run that follows resumes there, and has the other half.
///
/// # Errors
/// When a page cannot be had, or the ledger fails.
pub async fn look(context: &Context, account: &Account) -> Result<(), Error> {
    align_quota(context, account).await;
    let today = context.ledger.quota(&account.appid, context.clock.now(), account.share).await?;
    let mut list = List::begin(context, account, Scan::Usual).await?;
    while list.scanned().pages < today.left() / 2 && list.page(context, account).await? {}
    Ok(())
}

/// Takes over what WeChat says of the day's calls. It may refuse to say; then they are counted
/// here alone.
pub async fn align_quota(context: &Context, account: &Account) {
    let quota = crate::retry::with(&context.work.api_retry, "the quota", || account.client.quota());
    let quota = quota.await;
    context.compare_clocks(account);
    let aligned = match quota {
        Ok(quota) => {
            let now = context.clock.now();
            let (limit, used) = (quota.daily_limit, quota.used);
            context.ledger.align_quota(&account.appid, now, limit, used).await.map_err(Error::from)
        }
        Err(error) => Err(error.into()),
    };
    if let Err(error) = aligned {
        tracing::debug!(account.appid = %account.appid, error = %error, "WeChat does not tell the day's calls");
    }
}

/// Whether a failure concerns every call of the account, so that no more are made in this run.
fn ends_calls(error: &Error) -> bool {
    use crate::wechat::{Class, Error as Wechat};
    match error {
        Error::Wechat(Wechat::NoToken { .. }) => true,
        Error::Wechat(wechat) => {
            let class = wechat.class();
            let is_lasting = matches!(class, Class::Configuration(_) | Class::RefreshToken);
            is_lasting || matches!(class, Class::NextDay | Class::NextMinute)
        }
        _ => error.is_quota(),
    }
}
