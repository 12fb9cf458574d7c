//! How a run ended, told to people and programs: one message a run for each channel, pings, metrics.
//!
//! ```text
//! Report ──► Digest (data) ──► Facts (what a message says) ──► Message (in a language) ──► send
//!                 └── the outbox of the ledger, if it could not be sent
//! ```
//!
//! What is told never delays a run by more than [`LIMIT`] and never fails one. A message is put into the outbox
//! before it is sent and removed when the receiver has said that it has it: what does not arrive is in the next
//! run's message. Without a ledger it is sent directly.
//!
//! Nothing here knows a secret but the address that it sends to, and no error or log has that.

mod bounded;
pub mod digest;
mod en;
mod facts;
mod hints;
mod message;
pub mod metrics;
mod neutral;
mod outbox;
pub mod ping;
mod send;
mod stale;
mod zh;

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{self, Clock};
use crate::config::{Channel, Event, Lang};
use crate::ledger::{self, Ledger};
use crate::model::{AppId, Reason};

pub use digest::Digest;
use facts::{Fact, Head};
pub use message::Message;
pub use send::{Error, Parcel, Post};
pub use stale::{Stale, stale, tell_stale};

/// The longest that telling may take, whatever the receivers do.
pub const LIMIT: Duration = Duration::from_secs(20);

/// What telling works with.
#[derive(Debug, Clone, Copy)]
pub struct Desk<'a> {
    /// The outbox; `None` if the ledger cannot be used.
    pub ledger: Option<&'a Ledger>,
    /// The time.
    pub clock: &'a Clock,
    /// The name of this process.
    pub sender: &'a str,
}

/// What of a run is remembered, so that it is told once when all is well again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// It looked at everything.
    Kept,
    /// It looked at everything of some accounts.
    OfSome,
    /// It looked at a part: what it did not find may still be there.
    None,
}

/// Tells every channel what it wants to know, all at the same time. What goes wrong is logged.
pub async fn tell(channels: &[Channel], desk: Desk<'_>, digest: &Digest, memory: Memory) {
    let all = futures::future::join_all(channels.iter().map(async |channel| {
        let told = clock::within(LIMIT, tell_one(channel, desk, digest, memory)).await;
        match told {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn(channel, &Reason::of(&error)),
            Err(_) => warn(channel, &"its receiver takes too long".into()),
        }
    }));
    all.await;
}

fn warn(channel: &Channel, why: &Reason) {
    tracing::warn!(channel = %channel.name, error = %why, "failed to notify {}", channel.name);
}

fn warn_of(whom: &str, why: &Reason) {
    tracing::warn!(error = %why, "failed to notify {whom}");
}

async fn tell_one(
    channel: &Channel,
    desk: Desk<'_>,
    digest: &Digest,
    memory: Memory,
) -> Result<(), Error> {
    let Some(digest) = digest.only(&channel.accounts) else { return Ok(()) };
    let recovered = match memory {
        Memory::Kept | Memory::OfSome => outbox::remember(channel, desk, &digest, memory).await,
        Memory::None => Vec::new(),
    };
    let is_recovery = !recovered.is_empty() && digest.is_well();
    let news = News { digest: Digest { is_recovery, ..digest }, recovered };
    let news = Some(news).filter(|news| news.is_for(channel));
    let sent = outbox::send(channel, desk, news.as_ref()).await;
    // The outbox keeps how the run ended, but of a run with troubles not which others are over.
    if let (Err(error), Some(news)) = (&sent, &news)
        && !matches!(error, send::Error::Gone { .. })
        && !news.digest.is_recovery
    {
        outbox::remember_again(channel, desk, news).await;
    }
    sent
}

/// What is new.
#[derive(Debug, Clone)]
pub struct News {
    /// How the run ended.
    pub digest: Digest,
    /// The accounts for which all is well again; `None` for what concerned all of them.
    pub recovered: Vec<Option<AppId>>,
}

impl News {
    fn events(&self) -> std::collections::BTreeSet<Event> {
        let recovered = (!self.recovered.is_empty()).then_some(Event::Recovered);
        self.digest.events().into_iter().chain(recovered).collect()
    }

    /// Whether a channel wants to know of it.
    fn is_for(&self, channel: &Channel) -> bool {
        let events = self.events();
        channel.on.iter().any(|on| events.contains(on))
    }

    fn head(&self) -> Head {
        match self.recovered.is_empty() || !self.digest.is_well() {
            true => Head::Outcome(self.digest.outcome),
            false => Head::Recovered,
        }
    }

    fn facts(&self, now: Timestamp) -> Vec<Fact> {
        let mut facts = facts::of(&self.digest, now);
        if !self.recovered.is_empty() {
            let appids = self.recovered.iter().flatten().cloned().collect();
            facts.insert(0, Fact::Recovered(appids));
        }
        facts
    }
}

/// The message about a run alone, for a monitor.
pub fn message(lang: Lang, digest: &Digest, now: Timestamp) -> Message {
    let news = News { digest: digest.clone(), recovered: Vec::new() };
    full_message(lang, Some(&news), &[], now)
}

/// The message about what is new, if anything, and about what could not be sent earlier.
fn full_message(lang: Lang, news: Option<&News>, earlier: &[Digest], now: Timestamp) -> Message {
    let newest = news.map(|news| &news.digest).or(earlier.last());
    let command = newest.map_or("run", |digest| digest.command.as_str());
    let head = match (news, newest) {
        (Some(news), _) => news.head(),
        (None, Some(digest)) => facts::head_of(digest),
        (None, None) => Head::Test,
    };
    let mut facts = news.map(|news| news.facts(now)).unwrap_or_default();
    facts.extend(earlier.iter().flat_map(facts::of_earlier));
    Message::of(lang, command, head, &facts)
}

/// What a channel would get about a run, if nothing was left to send; `None` for nothing.
pub fn would_tell(channel: &Channel, digest: &Digest) -> Option<Message> {
    let digest = digest.only(&channel.accounts)?;
    let now = digest.ended_at;
    let news = Some(News { digest, recovered: Vec::new() }).filter(|news| news.is_for(channel))?;
    Some(full_message(channel.lang, Some(&news), &[], now))
}

/// What a channel would get about the last run, and about what could not be sent; `None` for nothing.
///
/// # Errors
/// When the ledger fails.
pub async fn preview(channel: &Channel, desk: Desk<'_>) -> Result<Option<Message>, ledger::Error> {
    let Some(ledger) = desk.ledger else { return Ok(None) };
    if outbox::is_silenced(ledger, channel).await {
        return Ok(None);
    }
    let read = |text: &String| serde_json::from_str::<Digest>(text).ok();
    let last = ledger.last_digests().await?.first().and_then(read);
    let digest = last.and_then(|digest| digest.only(&channel.accounts));
    let news = digest.map(|digest| News { digest, recovered: Vec::new() });
    let news = news.filter(|news| news.is_for(channel));
    let waiting = ledger.waiting_notices(&channel.name).await?;
    let earlier: Vec<_> = waiting.iter().filter_map(read).collect();
    let is_nothing = news.is_none() && earlier.is_empty();
    let message = || full_message(channel.lang, news.as_ref(), &earlier, desk.clock.now());
    Ok((!is_nothing).then(message))
}

/// Whether a channel gets nothing because its receiver has said that it wants no more messages.
pub async fn is_silenced(channel: &Channel, desk: Desk<'_>) -> bool {
    match desk.ledger {
        Some(ledger) => outbox::is_silenced(ledger, channel).await,
        None => false,
    }
}

/// Sends a test message through a channel.
///
/// # Errors
/// When its receiver does not take it.
pub async fn test(channel: &Channel, desk: Desk<'_>) -> Result<(), Error> {
    let post = Post::new(desk.clock.clone())?;
    let parcel = Parcel {
        id: outbox::new_id(),
        event: "test".to_owned(),
        at: desk.clock.now(),
        message: full_message(channel.lang, None, &[], desk.clock.now()),
        data: serde_json::Value::Null,
    };
    send::send(&post, channel, &parcel).await?;
    outbox::hear_again(channel, desk).await;
    Ok(())
}
