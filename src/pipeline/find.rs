//! Finding work: per account, discover the rooms, then bring them to light one by one, the soonest
//! deadline first, and hand them to the transfers.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::errand::is_wanted;
use super::lease::{self, Lease};
use super::order::by_urgency;
use super::report::{self, AccountReport, Problem};
use super::{Errand, Hand, Hands, InFlight, Rooms, each, is_told, obstacles};
use crate::ledger::{Phase, RoomRecord, Wanted};
use crate::model::{Room, RoomId};
use crate::stage::discover::{Scan, discover};
use crate::stage::{Account, Context, Error, Listed, adopt, resolve, verify};

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
            report: AccountReport::new(&account.appid),
        };
        async move {
            let cut_short = AccountReport { is_cut_short: true, ..search.report.clone() };
            tokio::select! {
                report = search.run() => report,
                () = stop.cancelled() => cut_short,
            }
        }
    };
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
    report: AccountReport,
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
        let outcome = match self.errand.clone() {
            Errand::Due => self.all_due().await,
            Errand::Backfill { rooms, force } => self.chosen(rooms, force).await,
        };
        if let Err(error) = outcome {
            self.note("the ledger", &error);
        }
        self.report
    }

    /// Everything up to the rooms being known. The token comes first, before any call is charged:
    /// without one there is nothing to call with.
    async fn prepare(&mut self) -> Result<(), Error> {
        self.account.client.check_token().await?;
        align_quota(&self.context, &self.account).await;
        let is_blank = !self.context.ledger.has_rooms(&self.account.appid).await?;
        self.discover().await?;
        if is_blank {
            adopt::restore(&self.context, &self.account.appid).await?;
        }
        Ok(())
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
            Errand::Backfill { rooms: Rooms::One(room), .. } => {
                if self.context.ledger.room(&self.account.appid, room).await?.is_some() {
                    return Ok(());
                }
                Scan::Until(room)
            }
        };
        self.report.scanned = Some(discover(&self.context, &self.account, scan).await?);
        Ok(())
    }

    /// Everything that was due when the run began.
    async fn all_due(&mut self) -> Result<(), Error> {
        let (context, account) = (Arc::clone(&self.context), Arc::clone(&self.account));
        loop {
            self.heed_causes();
            let wanted = if self.can_call { Wanted::Any } else { Wanted::Listed };
            // Before the claim: a room that waits for anything else could be another process's.
            let Some(hand) = self.hand(wanted).await? else { return Ok(()) };
            let claimed =
                context.ledger.claim_next(&account.appid, context.claim(), wanted).await?;
            let Some(record) = claimed else { return Ok(()) };
            self.bring(record, hand, false).await?;
        }
    }

    /// Spends no more calls where one cause stops every recording.
    fn heed_causes(&mut self) {
        let cause = self.context.causes.of_all(&self.account.appid);
        if let Some(cause) = cause.filter(|_| self.can_call) {
            self.can_call = false;
            tracing::info!(account.appid = %self.account.appid, error = cause, "no more rooms are asked about");
            self.report.problems.push(Problem::of_all(&cause));
        }
    }

    /// The right to claim a room, waited for as long as there is one: an account that owes nothing
    /// makes way for the next, however long the rooms in hand take.
    async fn hand(&self, wanted: Wanted) -> Result<Option<Hand>, Error> {
        let (context, appid) = (&self.context, &self.account.appid);
        if let Some(hand) = self.hands.take_now(context).await {
            return Ok(Some(hand));
        }
        if !context.ledger.has_due(appid, context.claim(), wanted).await? {
            return Ok(None);
        }
        Ok(Some(self.hands.take(context).await))
    }

    /// The rooms of a backfill, the soonest deadline first.
    async fn chosen(&mut self, rooms: Rooms, force: bool) -> Result<(), Error> {
        let (context, account) = (Arc::clone(&self.context), Arc::clone(&self.account));
        let appid = &account.appid;
        if let Rooms::One(room) = rooms {
            self.make_known(room).await?;
        }
        let is_one = matches!(rooms, Rooms::One(_));
        let mut wanted = context.ledger.rooms(appid).await?;
        wanted.retain(|record| rooms.contain(record) && is_wanted(record, is_one, force));
        let now = context.clock.now();
        wanted.sort_by_key(|record| (record.deadline <= now, record.deadline));
        for record in wanted {
            self.heed_causes();
            let room = record.room.room_id;
            let hand = self.hands.take(&context).await;
            let Some(mut record) = context.ledger.claim_room(appid, room, context.claim()).await?
            else {
                self.report.busy.push(room);
                continue;
            };
            if record.phase != Phase::Listed {
                record.phase = Phase::Due;
                record.attempts = 0;
            }
            self.bring(record, hand, force).await?;
        }
        Ok(())
    }

    /// A room that was asked for by number but is not listed any more is asked for all the same.
    async fn make_known(&self, room: RoomId) -> Result<(), Error> {
        let (ledger, appid) = (&self.context.ledger, &self.account.appid);
        if ledger.room(appid, room).await?.is_none() {
            let unlisted = Room::unlisted(appid.clone(), room);
            let now = self.context.clock.now();
            ledger.record_room(&unlisted, Phase::Due, now, jiff::Timestamp::UNIX_EPOCH).await?;
        }
        Ok(())
    }

    /// Brings one leased room to the transfers.
    ///
    /// # Errors
    /// When the ledger fails, so that no other room can be brought either.
    async fn bring(&mut self, record: RoomRecord, hand: Hand, force: bool) -> Result<(), Error> {
        let (context, room) = (Arc::clone(&self.context), record.room.room_id);
        let lease = Lease::keep(&context, &self.account.appid, room);
        let error = match self.look(record.clone(), force).await {
            Ok(Look::Found(listed)) => {
                context.progress.list_room();
                self.failures = 0;
                let account = Arc::clone(&self.account);
                let room = InFlight { account, listed: *listed, lease };
                // The transfers end only after this side does, or when the run is stopped.
                let _ = self.listed.send((room, hand)).await;
                return Ok(());
            }
            Ok(Look::NothingOwed) => None,
            Ok(Look::NeedsCall) => {
                lease::postpone(&context, &record).await;
                None
            }
            Err(error) => {
                if !ends_calls(&error) {
                    lease::note_failure(&context, &record, &error).await;
                }
                Some(error)
            }
        };
        lease.release().await;
        let Some(error) = error else { return Ok(()) };
        self.failures += u32::from(matches!(error, Error::Wechat(_)));
        if ends_calls(&error) || self.failures >= MOST_FAILURES {
            self.can_call = false;
            self.note("the replays", &error);
        } else if error.is_of_the_ledger() {
            return Err(error);
        } else if matches!(error, Error::NoSuchRoom(_)) {
            self.note("the room", &error);
        } else {
            self.note_room(room, &error);
        }
        Ok(())
    }

    /// What is known of a room, asked for where needed.
    async fn look(&self, mut record: RoomRecord, force: bool) -> Result<Look, Error> {
        let (context, account) = (&self.context, &self.account);
        if let Some(adopted) = adopt::adopt(context, &record).await? {
            if adopted.phase == Phase::Closed && !force {
                return Ok(Look::NothingOwed);
            }
            record = adopted;
        }
        let known = context.ledger.recordings(&account.appid, record.room.room_id).await?;
        let mut listed = if resolve::is_needed(&record, &known, context.started_at) {
            if !self.can_call {
                return Ok(Look::NeedsCall);
            }
            resolve::resolve(context, account, record).await?
        } else {
            Listed { record, recordings: known }
        };
        if listed.record.room.is_unlisted() && listed.recordings.is_empty() {
            return Err(Error::NoSuchRoom(listed.record.room.room_id));
        }
        if matches!(self.errand, Errand::Backfill { .. }) {
            for recording in &mut listed.recordings {
                if recording.is_owed() {
                    recording.retry_now();
                }
            }
        }
        if force {
            verify::recheck(context, &mut listed).await?;
        }
        Ok(Look::Found(Box::new(listed)))
    }
}

/// Takes over what WeChat says of the day's calls. It may refuse to say; then they are counted
/// here alone.
pub async fn align_quota(context: &Context, account: &Account) {
    let quota = crate::retry::with(&context.work.api_retry, "the quota", || account.client.quota());
    let aligned = match quota.await {
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

/// What a look at a room found.
#[derive(Debug)]
enum Look {
    /// Its recordings.
    Found(Box<Listed>),
    /// Its manifest says that nothing more is owed.
    NothingOwed,
    /// WeChat would have to be asked, and cannot be any more in this run.
    NeedsCall,
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
