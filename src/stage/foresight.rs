//! What the ledger foretells of all accounts together: they share one link.

use std::collections::HashSet;

use jiff::Timestamp;

use super::{Account, Context, Error, transfer};
use crate::forecast::{Forecast, Owing, Pending, add_throughput, forecast};
use crate::ledger::{Averages, DayQuota, Owed, RecordingId, RoomRecord};
use crate::model::{RecordingKind, WECHAT_RETENTION};
use crate::throughput::ALL_HOSTS;
use crate::urgency::{Moment, Rate};

/// An account as the ledger knows it, and what that foretells.
#[derive(Debug)]
pub struct Foreseen {
    /// Its rooms.
    pub rooms: Vec<RoomRecord>,
    /// Its calls of the day.
    pub today: DayQuota,
    /// What will become of what is owed.
    pub forecast: Forecast,
    pending: Vec<Pending>,
    averages: Averages,
}

/// The speed that forecasts rest on: what this run has measured, else what recent ones have.
///
/// # Errors
/// When the ledger fails.
pub async fn rate(context: &Context) -> Result<Option<Rate>, Error> {
    if let Some(rate) = context.throughput.rate() {
        return Ok(Some(rate));
    }
    let moved = context.ledger.throughput(context.clock.now()).await?;
    Ok(moved.get(ALL_HOSTS).and_then(|moved| moved.rate()))
}

/// Foretells what becomes of what the accounts owe, in their order. Nobody is asked.
///
/// # Errors
/// When the ledger fails.
pub async fn foresee(
    context: &Context,
    accounts: impl IntoIterator<Item = &Account>,
) -> Result<Vec<Foreseen>, Error> {
    let at = Moment { now: context.clock.now(), rate: rate(context).await? };
    let mut all = Vec::new();
    for account in accounts {
        let rooms = context.ledger.rooms(&account.appid).await?;
        let today = context.ledger.quota(&account.appid, at.now, account.share).await?;
        let averages = context.ledger.averages(&account.appid).await?;
        let pending = pending(context, account, averages).await?;
        let forecast = forecast(&rooms, &today, at.now);
        all.push(Foreseen { rooms, today, forecast, pending, averages });
    }
    let mut owing: Vec<_> = all.iter_mut().map(Foreseen::owing).collect();
    add_throughput(&mut owing, at);
    Ok(all)
}

impl Foreseen {
    fn owing(&mut self) -> Owing<'_> {
        let Self { rooms, today, forecast, pending, averages } = self;
        Owing { forecast, rooms, today, pending, averages: *averages }
    }
}

/// What is owed of an account's listed rooms. A size is what a checkpoint knows, else the account's
/// average; a whole beside pieces is likely not to be needed.
async fn pending(
    context: &Context,
    account: &Account,
    averages: Averages,
) -> Result<Vec<Pending>, Error> {
    let owed = context.ledger.owed_of(&account.appid).await?;
    let with_pieces: HashSet<_> = owed
        .iter()
        .filter(|owed| owed.kind == RecordingKind::Segment)
        .map(|owed| owed.room)
        .collect();
    let mut all = Vec::new();
    for owed in owed {
        let (appid, room) = (account.appid.clone(), owed.room);
        let id = RecordingId { appid, room, source_id: owed.source_id.clone() };
        let known = if owed.is_begun { transfer::remaining(context, &id).await? } else { None };
        let likely = match owed.kind {
            RecordingKind::Segment => averages.segment,
            RecordingKind::Whole if with_pieces.contains(&owed.room) => None,
            RecordingKind::Whole => averages.room,
        };
        let (deadline, source_id) = (deadline(&owed), owed.source_id);
        all.push(Pending { room_id: owed.room, source_id, deadline, bytes: known.or(likely) });
    }
    Ok(all)
}

/// As [`crate::model::Recording::deadline`].
fn deadline(owed: &Owed) -> Option<Timestamp> {
    owed.expires.or_else(|| owed.created.and_then(|at| at.checked_add(WECHAT_RETENTION).ok()))
}
