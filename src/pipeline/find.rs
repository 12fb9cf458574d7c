//! Finding work: per account, discover the rooms, then bring them to light one by one, the soonest
//! deadline first, and hand them to the transfers.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::errand::{is_tried_again, is_wanted};
use super::lease::{self, Lease};
use super::report::{self, AccountReport, Problem};
use super::{Errand, InFlight, Rooms, each, lost};
use crate::ledger::{Phase, RoomRecord};
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
    listed: mpsc::Sender<InFlight>,
    stop: &CancellationToken,
) -> Vec<AccountReport> {
    let search = |account: &Arc<Account>| {
        let search = Search {
            context: Arc::clone(context),
            account: Arc::clone(account),
            errand: errand.clone(),
            listed: listed.clone(),
            report: AccountReport::new(&account.appid),
        };
        async move {
            let found = search.report.clone();
            tokio::select! {
                report = search.run() => report,
                () = stop.cancelled() => found,
            }
        }
    };
    each(accounts, ACCOUNTS, search).await
}

/// The search for work in one account.
#[derive(Debug)]
struct Search {
    context: Arc<Context>,
    account: Arc<Account>,
    errand: Errand,
    listed: mpsc::Sender<InFlight>,
    report: AccountReport,
}

impl Search {
    async fn run(mut self) -> AccountReport {
        // Before any call is charged: without a token there is nothing to call with.
        if let Err(error) = self.account.client.check_token().await {
            self.note("the access token", &error.into());
            return self.report;
        }
        align_quota(&self.context, &self.account).await;
        if let Err(error) = self.discover().await {
            let ends_it = ends_account(&error);
            self.note("the room list", &error);
            if ends_it {
                return self.report;
            }
        }
        let outcome = match self.errand.clone() {
            Errand::Due => self.all_due().await,
            Errand::Backfill { rooms, force } => self.chosen(rooms, force).await,
        };
        if let Err(error) = outcome {
            self.note("the replays", &error);
        }
        self.report
    }

    fn note(&mut self, what: &str, error: &Error) {
        tracing::warn!(account.appid = %self.account.appid, error = %report::text(error), "{what} could not be read");
        self.add(Problem::new(what, error));
    }

    fn note_room(&mut self, room: RoomId, error: &Error) {
        tracing::warn!(account.appid = %self.account.appid, room.id = %room, error = %report::text(error), "a room could not be looked at");
        self.add(Problem::of_room(room, error));
    }

    fn add(&mut self, problem: Problem) {
        self.report.quota_spent |= problem.is_quota;
        self.report.problems.push(problem);
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
        while let Some(record) = context.ledger.claim_next(&account.appid, context.claim()).await? {
            self.bring(record, false).await?;
        }
        Ok(())
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
            let room = record.room.room_id;
            let Some(mut record) = context.ledger.claim_room(appid, room, context.claim()).await?
            else {
                self.report.busy.push(room);
                continue;
            };
            if adopt::is_needed(&record) {
                record.phase = Phase::Due;
            } else if record.phase != Phase::Listed {
                record.phase = Phase::Due;
                record.attempts = 0;
            }
            self.bring(record, force).await?;
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
    /// When no further room of the account can be brought either.
    async fn bring(&mut self, record: RoomRecord, force: bool) -> Result<(), Error> {
        let (context, room) = (Arc::clone(&self.context), record.room.room_id);
        let lease = Lease::keep(&context, &self.account.appid, room);
        let error = match self.look(record.clone(), force).await {
            Ok(None) => {
                lease.release().await;
                return Ok(());
            }
            Ok(Some((listed, lost_before))) => {
                context.progress.list_room();
                let account = Arc::clone(&self.account);
                let room = InFlight { account, listed, lost_before, lease };
                // The transfers end only after this side does, or when the run is stopped.
                let _ = self.listed.send(room).await;
                return Ok(());
            }
            Err(error) => error,
        };
        let ends_it = ends_account(&error);
        if !ends_it {
            self.note_room(room, &error);
            lease::note_failure(&context, record, &error).await;
        }
        lease.release().await;
        if ends_it { Err(error) } else { Ok(()) }
    }

    /// What is known of a room, asked for where needed; `None` when nothing is owed of it.
    async fn look(
        &self,
        mut record: RoomRecord,
        force: bool,
    ) -> Result<Option<(Listed, usize)>, Error> {
        let (context, account) = (&self.context, &self.account);
        if adopt::is_needed(&record)
            && let Some(adopted) = adopt::adopt(context, &record).await?
        {
            if adopted.record.phase == Phase::Closed && !force {
                return Ok(None);
            }
            record = adopted.record;
        }
        let known = context.ledger.recordings(&account.appid, record.room.room_id).await?;
        let lost_before = lost(&known);
        let mut listed = if resolve::is_needed(&record, &known) {
            resolve::resolve(context, account, record).await?
        } else {
            Listed { record, recordings: known }
        };
        if matches!(self.errand, Errand::Backfill { .. }) {
            for recording in &mut listed.recordings {
                if is_tried_again(recording.state) {
                    recording.attempts = 0;
                }
            }
        }
        if force {
            verify::recheck(context, &mut listed).await?;
        }
        Ok(Some((listed, lost_before)))
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

/// Whether a failure concerns the account, so that asking for its other rooms makes no sense now.
fn ends_account(error: &Error) -> bool {
    use crate::wechat::Class;
    let wechat = |error: &crate::wechat::Error| {
        matches!(
            error.class(),
            Class::Configuration(_) | Class::RefreshToken | Class::NextDay | Class::NextMinute
        )
    };
    match error {
        Error::Wechat(error) => wechat(error),
        Error::Ledger(_) => !error.is_lease_lost(),
        Error::Store(_) | Error::Media(_) | Error::ForeignManifest { .. } => false,
    }
}
