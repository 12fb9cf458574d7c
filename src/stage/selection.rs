//! Applies an account's selection to the rooms that the ledger knows, when it has changed. Rooms that are listed
//! later are chosen as they are recorded: see `discover`.

use super::{Account, Calls, Error, phases};
use crate::ledger::{Choice, Ledger, Phase, RoomRecord};
use crate::model::RoomId;

/// What a changed selection means for the rooms of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changed {
    /// Rooms that are left out from now on.
    pub out: u64,
    /// Rooms that were left out and are archived from now on.
    pub into: u64,
}

/// Applies the selection of the account where it is not the one by which the rooms were chosen last.
///
/// # Errors
/// When the ledger fails; the next run applies it again.
pub async fn apply(calls: Calls<'_>, account: &Account) -> Result<Changed, Error> {
    let (ledger, appid) = (calls.ledger, &account.appid);
    if !is_changed(ledger, account).await? {
        return Ok(Changed::default());
    }
    let changed =
        each_page(calls, account, async |choices| Ok(ledger.choose_rooms(appid, choices).await?));
    let changed = changed.await?;
    ledger.selected_by(appid, &account.select.as_text).await?;
    tracing::info!(account.appid = %appid, rooms.out = changed.out, rooms.into = changed.into, "[select] has changed: {} more rooms are left out, {} are archived again", changed.out, changed.into);
    Ok(changed)
}

/// What [`apply`] would change. Changes nothing.
///
/// # Errors
/// When the ledger fails.
pub async fn preview(calls: Calls<'_>, account: &Account) -> Result<Changed, Error> {
    match is_changed(calls.ledger, account).await? {
        true => each_page(calls, account, async |_| Ok(())).await,
        false => Ok(Changed::default()),
    }
}

async fn is_changed(ledger: &Ledger, account: &Account) -> Result<bool, Error> {
    let before = ledger.selections(std::slice::from_ref(&account.appid)).await?;
    let before = before.get(&account.appid).map_or("", String::as_str);
    Ok(before != account.select.as_text)
}

async fn each_page(
    calls: Calls<'_>,
    account: &Account,
    choose: impl AsyncFn(&[(RoomId, Choice)]) -> Result<(), Error>,
) -> Result<Changed, Error> {
    let (mut changed, mut last) = (Changed::default(), None);
    loop {
        let page = calls.ledger.rooms_after(&account.appid, last).await?;
        let Some(end) = page.last() else { return Ok(changed) };
        last = Some(end.room.room_id);
        let choice =
            |record: &RoomRecord| Some((record.room.room_id, choice(calls, account, record)?));
        let choices: Vec<_> = page.iter().filter_map(choice).collect();
        let is_out = |(_, choice): &&(RoomId, Choice)| matches!(choice, Choice::Out(_));
        let is_new = |room: &RoomId| {
            let record = page.iter().find(|record| record.room.room_id == *room);
            record.is_some_and(|record| record.phase != Phase::LeftOut)
        };
        let out = choices.iter().filter(is_out).filter(|(room, _)| is_new(room)).count();
        changed.out += out as u64;
        changed.into += choices.iter().filter(|choice| !is_out(choice)).count() as u64;
        choose(&choices).await?;
    }
}

/// What the selection means for one room; `None` if it stays as it is.
fn choice(calls: Calls<'_>, account: &Account, record: &RoomRecord) -> Option<Choice> {
    let is_out = record.phase == Phase::LeftOut;
    match account.select.leaves_out(&record.room) {
        // What is archived stays archived, and is repaired.
        Some(_) if is_kept(record) || record.phase == Phase::Closed => None,
        Some(rule) if record.left_out.as_ref() == Some(&rule) => None,
        Some(rule) => Some(Choice::Out(rule)),
        None if is_out => Some(Choice::In(phases::phase(
            &record.room,
            calls.clock.now(),
            calls.work.ask_never_live,
        ))),
        None => None,
    }
}

/// The rule by which a claimed room is left out after all: it was claimed before the selection had changed.
pub fn leaves_out(account: &Account, record: &RoomRecord) -> Option<Choice> {
    let rule = account.select.leaves_out(&record.room).filter(|_| !is_kept(record))?;
    Some(Choice::Out(rule))
}

/// Whether no rule leaves the room out: somebody asked for it, or something of it is archived.
fn is_kept(record: &RoomRecord) -> bool {
    record.is_asked_for || record.sealed.is_some()
}
