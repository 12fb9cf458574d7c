//! Each message once: what is sent, what waits, and what a channel was told before.

use std::collections::BTreeSet;

use futures::TryFutureExt as _;

use super::digest::AccountDigest;
use super::send::{self, Error, Parcel, Post};
use super::{Desk, Digest, Memory, News, bounded, full_message};
use crate::config::{Channel, Event, Way};
use crate::ledger::{self, Ledger, Notice};
use crate::model::{AppId, Outcome, Sha256Digest};

/// A new id of a message.
pub(super) fn new_id() -> String {
    format!("msg_{}", uuid::Uuid::new_v4().simple())
}

/// Notes for each account whether something is wrong. Returns for which all is well again; `None` is in it
/// for what concerned all of them.
pub(super) async fn remember(
    channel: &Channel,
    desk: Desk<'_>,
    digest: &Digest,
    memory: Memory,
) -> Vec<Option<AppId>> {
    let Some(ledger) = desk.ledger else { return Vec::new() };
    let (mut begun, mut over) = (Vec::new(), Vec::new());
    for (appid, change) in changes(digest, &channel.on) {
        match change {
            Change::Begins => begun.push(name_of(appid)),
            // Those that it did not look at may still be as they were.
            Change::Ends if appid.is_none() && memory == Memory::OfSome => {}
            Change::Ends => over.push(name_of(appid)),
        }
    }
    let channel = channel.name.as_str();
    let commands = commands(digest);
    if let Some(command) = commands.last() {
        logged(ledger.note_troubles((channel, command), &begun, digest.ended_at).await);
    }
    let mut recovered = BTreeSet::new();
    for command in &commands {
        recovered.extend(
            logged(ledger.end_troubles((channel, command), &over).await).unwrap_or_default(),
        );
    }
    recovered.into_iter().map(|name| name.parse().ok()).collect()
}

/// Notes again what was over, because nobody could be told: the next message that arrives says so.
pub(super) async fn remember_again(channel: &Channel, desk: Desk<'_>, news: &News) {
    let (Some(ledger), commands) = (desk.ledger, commands(&news.digest)) else { return };
    let names: Vec<_> = news.recovered.iter().map(|appid| name_of(appid.as_ref())).collect();
    if let Some(command) = commands.last() {
        let key = (channel.name.as_str(), command.as_str());
        logged(ledger.note_troubles(key, &names, news.digest.ended_at).await);
    }
}

/// An account in the ledger's table of troubles; an empty text for all.
fn name_of(appid: Option<&AppId>) -> &str {
    appid.map_or("", AppId::as_str)
}

/// Under which commands troubles are noted: the last is that of this digest, the others see less.
fn commands(digest: &Digest) -> Vec<String> {
    let looks = if digest.looks.is_empty() { &[""][..] } else { digest.looks };
    looks.iter().map(|look| format!("{}{look}", digest.command)).collect()
}

/// Whether something is wrong.
enum Change {
    Begins,
    Ends,
}

/// What a run says of its accounts, and of all of them as a whole, to a channel that is told `on`. A run that was
/// interrupted says nothing, and a loss neither begins nor ends anything: it is told by itself. A run that ended
/// before it could say what became of its rooms shows nothing to be well again.
fn changes<'a>(digest: &'a Digest, on: &[Event]) -> Vec<(Option<&'a AppId>, Change)> {
    if digest.outcome == Outcome::Interrupted {
        return Vec::new();
    }
    if digest.stopped.is_some() {
        let is_told = digest.events().iter().any(|event| on.contains(event));
        return is_told.then_some((None, Change::Begins)).into_iter().collect();
    }
    let of_account = |account: &'a AccountDigest| {
        let troubles = account.troubles();
        match account.outcome {
            _ if troubles.iter().any(|event| on.contains(event)) => Some(Change::Begins),
            Outcome::Ok | Outcome::Continuing
                if troubles.is_empty() && !digest.is_cut_short && !account.is_unseen =>
            {
                Some(Change::Ends)
            }
            _ => None,
        }
    };
    let accounts = digest.accounts.iter();
    let accounts =
        accounts.filter_map(|account| Some((Some(&account.appid), of_account(account)?)));
    let all = match digest.is_well() && !digest.is_cut_short {
        // Which accounts are left out may be unknown.
        _ if !digest.unread.is_empty() => {
            on.contains(&Event::Left).then_some((None, Change::Begins))
        }
        true if digest.accounts.iter().all(|account| account.is_unseen) => None,
        true => Some((None, Change::Ends)),
        false => None,
    };
    all.into_iter().chain(accounts).collect()
}

/// The result, if any; a failure of the ledger costs no message.
fn logged<T>(result: Result<T, ledger::Error>) -> Option<T> {
    let note = |error| tracing::debug!(error = %error, "failed to use the outbox");
    result.map_err(note).ok()
}

/// Sends what is new together with what waits, unless both are nothing.
pub(super) async fn send(
    channel: &Channel,
    desk: Desk<'_>,
    news: Option<&News>,
) -> Result<(), Error> {
    let ledger = desk.ledger.filter(|ledger| ledger.failure().is_none());
    if let Some(ledger) = ledger
        && is_silenced(ledger, channel).await
    {
        return Ok(());
    }
    let id = new_id();
    let mut ids = Vec::new();
    let mut earlier = Vec::new();
    if let Some(ledger) = ledger {
        for Notice { id, digest } in taken(ledger, channel, desk).await {
            match serde_json::from_str::<Digest>(&digest) {
                Ok(digest) => {
                    ids.push(id);
                    earlier.push(digest);
                }
                Err(error) => {
                    tracing::warn!(channel = %channel.name, error = %error, "notification {id} in the outbox is of another version: it stays there");
                }
            }
        }
        if let Some(News { digest, .. }) = news
            && added(ledger, channel, desk, &id, digest).await
        {
            ids.push(id.clone());
        }
    }
    if news.is_none() && earlier.is_empty() {
        return Ok(());
    }
    let parcel = parcel(channel, desk, id, news, &earlier);
    let post = Post::new(desk.clock.clone())?;
    let sent = send::send(&post, channel, &parcel).await;
    if let Some(ledger) = ledger {
        settle(ledger, channel, desk, &ids, &sent).await;
    }
    sent
}

/// Whether the receiver has said that it wants no more messages.
pub(super) async fn is_silenced(ledger: &Ledger, channel: &Channel) -> bool {
    logged(ledger.is_silenced(&channel.name, &address(channel)).await) == Some(true)
}

async fn taken(ledger: &Ledger, channel: &Channel, desk: Desk<'_>) -> Vec<Notice> {
    logged(ledger.take_notices(&channel.name, desk.sender).await).unwrap_or_default()
}

async fn added(
    ledger: &Ledger,
    channel: &Channel,
    desk: Desk<'_>,
    id: &str,
    digest: &Digest,
) -> bool {
    let notice = Notice { id: id.to_owned(), digest: bounded::kept(digest) };
    let added = ledger.add_notice(&notice, &channel.name, desk.sender, digest.ended_at);
    logged(added.await).is_some()
}

fn parcel(
    channel: &Channel,
    desk: Desk<'_>,
    id: String,
    news: Option<&News>,
    earlier: &[Digest],
) -> Parcel {
    let at = desk.clock.now();
    let event = news.and_then(|news| news.events().into_iter().find(|on| channel.on.contains(on)));
    Parcel {
        id,
        event: event.map_or_else(|| "earlier".to_owned(), name),
        at,
        message: full_message(channel.lang, news, earlier, at),
        data: bounded::data(news, earlier),
    }
}

fn name(event: Event) -> String {
    let name = serde_json::to_value(event).ok();
    name.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Records what became of messages.
async fn settle(
    ledger: &Ledger,
    channel: &Channel,
    desk: Desk<'_>,
    ids: &[String],
    sent: &Result<(), Error>,
) {
    let noted = match sent {
        Ok(()) => ledger.notices_sent(ids).await,
        Err(Error::Gone { .. }) => {
            let address = address(channel);
            let silenced = Some((address.as_str(), desk.clock.now()));
            ledger.silence(&channel.name, silenced).and_then(|()| ledger.notices_sent(ids)).await
        }
        Err(_) => ledger.notices_unsent(ids).await,
    };
    if let Err(error) = noted {
        tracing::warn!(channel = %channel.name, error = %error, "failed to note what was sent to {}: it may be sent again", channel.name);
    }
}

/// A receiver that took a message gets the next ones too.
pub(super) async fn hear_again(channel: &Channel, desk: Desk<'_>) {
    if let Some(ledger) = desk.ledger {
        logged(ledger.silence(&channel.name, None).await);
    }
}

/// Tells one address of a channel from another without being it.
fn address(channel: &Channel) -> String {
    match &channel.way {
        Way::Wecom(robot) | Way::Dingtalk(robot) | Way::Feishu(robot) | Way::Webhook(robot) => {
            let digest = Sha256Digest::of(robot.address.expose().as_str().as_bytes());
            digest.to_string().get(..16).unwrap_or_default().to_owned()
        }
        _ => String::new(),
    }
}
