//! Accounts that nobody has archived for long: a machine that died tells nobody, so another one does.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::facts::{Fact, Head};
use super::message::Message;
use super::{Desk, LIMIT, outbox, send, warn};
use crate::clock;
use crate::config::Channel;
use crate::ledger::{self, Ledger};
use crate::model::{AppId, Reason};

/// An account that nobody has archived for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// The account.
    pub appid: AppId,
    /// When a run last worked on it; `None` if never.
    pub since: Option<Timestamp>,
}

/// The accounts that no run has worked on for `longest`. One that is paused is none of them: runs leave it alone
/// because WeChat does not authorise the calls, and tell so.
///
/// # Errors
/// When the ledger fails.
pub async fn stale(
    ledger: &Ledger,
    appids: &[AppId],
    longest: SignedDuration,
    now: Timestamp,
) -> Result<Vec<Stale>, ledger::Error> {
    let seen = ledger.last_seen(appids).await?;
    let paused = ledger.pauses(appids).await?;
    let is_old = |since: Option<Timestamp>| since.is_none_or(|at| now.duration_since(at) > longest);
    let mut stale: Vec<_> = seen
        .into_iter()
        .filter(|(appid, since)| is_old(*since) && !paused.contains_key(appid))
        .map(|(appid, since)| Stale { appid, since })
        .collect();
    stale.sort_by(|one, other| one.appid.cmp(&other.appid));
    Ok(stale)
}

/// Tells each channel that wants to know of failures about accounts that it was not told of: once, whichever
/// machine notices, and again only after they were archived.
pub async fn tell_stale(channels: &[Channel], desk: Desk<'_>, all: &[AppId], stale: &[Stale]) {
    for channel in channels {
        if let Err(why) = tell_one(channel, desk, all, stale).await {
            warn(channel, &why);
        }
    }
}

async fn tell_one(
    channel: &Channel,
    desk: Desk<'_>,
    all: &[AppId],
    stale: &[Stale],
) -> Result<(), Reason> {
    let Some(ledger) = desk.ledger.filter(|_| channel.on.contains(&crate::config::Event::Failed))
    else {
        return Ok(());
    };
    if super::outbox::is_silenced(ledger, channel).await {
        return Ok(());
    }
    let is_meant = |appid: &AppId| channel.accounts.is_empty() || channel.accounts.contains(appid);
    let (name, now) = (channel.name.as_str(), desk.clock.now());
    let known = ledger.troubles(name, "stale").await.map_err(|error| Reason::of(&error))?;
    let mut news = Vec::new();
    for appid in all.iter().filter(|appid| is_meant(appid)) {
        let key = (name, "stale", appid.as_str());
        match stale.iter().find(|one| one.appid == *appid) {
            Some(_) if known.contains(appid.as_str()) => {}
            Some(one) => {
                let is_news = ledger.note_trouble(key, now).await;
                news.extend(is_news.map_err(|error| Reason::of(&error))?.then_some(one));
            }
            None if !known.contains(appid.as_str()) => {}
            None => {
                ledger.end_trouble(key).await.map_err(|error| Reason::of(&error))?;
            }
        }
    }
    if news.is_empty() {
        return Ok(());
    }
    let sent = match clock::within(LIMIT, send_news(channel, desk, &news)).await {
        Ok(sent) => sent.map_err(|error| Reason::of(&error)),
        Err(_) => Err("its receiver takes too long".into()),
    };
    if sent.is_err() {
        // Another look tries again.
        for one in news {
            let _ = ledger.end_trouble((name, "stale", one.appid.as_str())).await;
        }
    }
    sent
}

async fn send_news(channel: &Channel, desk: Desk<'_>, news: &[&Stale]) -> Result<(), send::Error> {
    let facts: Vec<_> = news.iter().map(|one| Fact::Stale(one.appid.clone(), one.since)).collect();
    let accounts: Vec<_> =
        news.iter().map(|one| json!({ "appid": one.appid, "since": one.since })).collect();
    let parcel = send::Parcel {
        id: outbox::new_id(),
        event: "stale".to_owned(),
        at: desk.clock.now(),
        message: Message::of(channel.lang, "run", Head::Stale, &facts),
        data: json!({ "stale": accounts }),
    };
    send::send(&send::Post::new(desk.clock.clone())?, channel, &parcel).await
}
