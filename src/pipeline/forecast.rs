//! Forecasts all accounts together from the ledger: they share one link.

mod estimate;
mod risk;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::ledger::{Backlog, DayQuota, Lately, PendingRecording, PendingRoom, Phase, RecordingId};
use crate::model::lifecycle::is_failing;
use crate::model::{
    ALL_HOSTS, AppId, Pause, Rate, RecordingKind, RecordingState, RoomId, WECHAT_RETENTION,
};
use crate::schedule::Moment;
use crate::stage::{Account, Context, Error, transfer};

pub use estimate::{Estimate, GUESSED_BIT_RATE, Sizes};
use risk::{AccountLoad, add_throughput, forecast, is_missed};
pub use risk::{AtRisk, Forecast, Pending, ShortOf, rooms_at_risk};

/// The pending work of an account, and its forecast.
#[derive(Debug)]
pub struct AccountForecast {
    /// The pending rooms and recordings.
    pub backlog: Backlog,
    /// The account's calls of today.
    pub today: DayQuota,
    /// What its calls of the last days have come to.
    pub lately: Lately,
    pub forecast: Forecast,
    /// How much there is to transfer.
    pub estimate: Estimate,
    /// Why the account is paused, if it is: every room that WeChat has yet to be asked about is at risk then.
    pub pause: Option<Pause>,
    /// How many rooms each rule of the configuration leaves out.
    pub left_out: BTreeMap<String, u64>,
    pending: Vec<Pending>,
}

/// The throughput that forecasts use: this run's measurement, or else that of recent runs.
///
/// # Errors
/// When the ledger fails.
pub async fn rate(context: &Context) -> Result<Option<Rate>, Error> {
    if let Some(rate) = context.schedule.rate() {
        return Ok(Some(rate));
    }
    let measured = context.ledger.throughput(context.clock.now()).await?;
    Ok(measured.get(ALL_HOSTS).and_then(|measured| measured.rate()))
}

/// Forecasts the pending work of the accounts, in their order. Makes no request to WeChat or the
/// store.
///
/// # Errors
/// When the ledger fails.
pub async fn of_accounts(
    context: &Context,
    accounts: &[Arc<Account>],
) -> Result<Vec<AccountForecast>, Error> {
    let at = Moment { now: context.clock.now(), rate: rate(context).await? };
    let appids: Vec<_> = accounts.iter().map(|account| account.appid.clone()).collect();
    let share = |account: &Arc<Account>| (account.appid.clone(), account.share);
    let shares: Vec<_> = accounts.iter().map(share).collect();
    let mut backlogs = context.ledger.backlogs(&appids).await?;
    let quotas = context.ledger.quotas(&shares, at.now).await?;
    let mut lately = context.ledger.lately(&shares, &quotas, at.now).await?;
    let mut left_out = context.ledger.left_out(&appids).await?;
    let mut pauses = context.ledger.pauses(&appids).await?;
    let mut all = Vec::new();
    for (appid, today) in appids.iter().zip(quotas) {
        let backlog = backlogs.remove(appid).unwrap_or_default();
        let pending = pending(context, appid, &backlog).await?;
        let lately = lately.remove(appid).unwrap_or_default();
        let forecast = forecast(&backlog.rooms, (&today, lately), at.now);
        let estimate = Estimate::of(&backlog.rooms, &pending, sizes(&backlog), at.rate);
        let (pause, left_out) = (pauses.remove(appid), left_out.remove(appid).unwrap_or_default());
        all.push(AccountForecast {
            backlog,
            today,
            lately,
            forecast,
            estimate,
            pause,
            left_out,
            pending,
        });
    }
    let mut loads: Vec<_> = all.iter_mut().map(AccountForecast::load).collect();
    add_throughput(&mut loads, at);
    for account in &mut all {
        let lately = account.lately;
        let is_told =
            |deadline: Timestamp| deadline > at.now || is_missed(deadline, lately, at.now);
        if account.pause.is_some() {
            add_unauthorized(&mut account.forecast.at_risk, &account.backlog, is_told);
        }
        add_failing(&mut account.forecast.at_risk, &account.backlog, is_told);
    }
    Ok(all)
}

impl AccountForecast {
    fn load(&mut self) -> AccountLoad<'_> {
        let sizes = sizes(&self.backlog);
        let Self { backlog: Backlog { rooms, .. }, today, lately, forecast, pending, .. } = self;
        AccountLoad { forecast, rooms, today, lately: *lately, pending, sizes }
    }

    /// Takes out the recordings whose last attempt failed.
    pub fn take_waiting(&mut self) -> impl Iterator<Item = PendingRecording> + use<> {
        let recordings = std::mem::take(&mut self.backlog.recordings);
        recordings.into_iter().filter(|recording| recording.state != RecordingState::Pending)
    }
}

fn sizes(backlog: &Backlog) -> Sizes {
    Sizes { averages: backlog.averages, rate: backlog.rate }
}

/// The pending recordings of an account's listed rooms. Sizes come from checkpoints, or else from the
/// account's averages. A whole beside segments gets no size, because it is probably not needed.
async fn pending(
    context: &Context,
    appid: &AppId,
    backlog: &Backlog,
) -> Result<Vec<Pending>, Error> {
    let Backlog { recordings, averages, .. } = backlog;
    let rooms: HashMap<_, _> = backlog.rooms.iter().map(|room| (room.room_id, room)).collect();
    let is_segment = |recording: &&PendingRecording| recording.kind == RecordingKind::Segment;
    let with_segments: HashSet<_> =
        recordings.iter().filter(is_segment).map(|recording| recording.room).collect();
    let mut all = Vec::new();
    for recording in recordings {
        let (room_id, source_id) = (recording.room, recording.source_id.clone());
        let id =
            || RecordingId { appid: appid.clone(), room: room_id, source_id: source_id.clone() };
        let known =
            if recording.is_begun { transfer::remaining(context, &id()).await? } else { None };
        let likely = match recording.kind {
            RecordingKind::Segment => averages.segment,
            RecordingKind::Whole if with_segments.contains(&recording.room) => None,
            RecordingKind::Whole => {
                rooms.get(&recording.room).and_then(|room| sizes(backlog).of_room(room))
            }
        };
        let (deadline, bytes) = (deadline(recording), known.or(likely));
        all.push(Pending { room_id, source_id, deadline, bytes });
    }
    Ok(all)
}

/// Replaces the forecast of the rooms that WeChat has yet to be asked about, where it may not be asked.
fn add_unauthorized(
    at_risk: &mut Vec<AtRisk>,
    backlog: &Backlog,
    is_told: impl Fn(Timestamp) -> bool,
) {
    at_risk.retain(|risk| risk.source_id.is_some());
    let unasked =
        |room: &&PendingRoom| room.phase == Phase::Due && room.is_known && is_told(room.deadline);
    at_risk.extend(backlog.rooms.iter().filter(unasked).map(|room| AtRisk {
        room_id: room.room_id,
        source_id: None,
        deadline: room.deadline,
        expected: None,
        short_of: ShortOf::Authorization,
    }));
}

/// Adds the recordings that keep failing: their next attempts are not expected to succeed.
fn add_failing(at_risk: &mut Vec<AtRisk>, backlog: &Backlog, is_told: impl Fn(Timestamp) -> bool) {
    let estimates: HashMap<RoomId, Timestamp> =
        backlog.rooms.iter().map(|room| (room.room_id, room.deadline)).collect();
    let named: HashSet<(RoomId, &str)> = at_risk
        .iter()
        .filter_map(|known| Some((known.room_id, known.source_id.as_deref()?)))
        .collect();
    let failing = backlog
        .recordings
        .iter()
        .filter(|recording| is_failing(recording.state, recording.attempts));
    let unnamed = failing
        .filter(|recording| !named.contains(&(recording.room, recording.source_id.as_str())));
    let mut more = Vec::new();
    for recording in unnamed {
        let deadline = deadline(recording).or_else(|| estimates.get(&recording.room).copied());
        if let Some(deadline) = deadline.filter(|deadline| is_told(*deadline)) {
            let (room_id, source_id) = (recording.room, Some(recording.source_id.clone()));
            let (expected, short_of) = (None, ShortOf::Success);
            more.push(AtRisk { room_id, source_id, deadline, expected, short_of });
        }
    }
    at_risk.append(&mut more);
    at_risk.sort_by_key(|risk| (risk.deadline, risk.room_id.0));
}

/// Same as [`crate::model::Recording::deadline`].
fn deadline(recording: &PendingRecording) -> Option<Timestamp> {
    recording
        .expires
        .or_else(|| recording.created.and_then(|at| at.checked_add(WECHAT_RETENTION).ok()))
}
