//! Lists a room's replays, with all pages, and gets fresh URLs from that list.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::{Account, Calls, Context, Error};
use crate::media::source::expires_at;
use crate::model::{MediaUrl, Replay, RoomId};
use crate::wechat::Class;

/// The most pages to follow. No real room has this many, but a server might never stop.
const MOST_PAGES: u32 = 20;

/// How long a listed URL without a signature counts as current.
const FRESH: SignedDuration = SignedDuration::from_mins(15);

/// WeChat's list of a room's replays.
#[derive(Debug)]
pub(super) struct Replays {
    /// The items in the order received, each URL once.
    pub items: Vec<Replay>,
    /// `total` from the first page. Only a hint: it can exceed the number listed.
    pub announced: Option<u64>,
    /// Rows received, including repeated ones, as `total` counts those too.
    pub rows: u64,
}

impl Replays {
    /// Whether WeChat answered with an error code (9410000, 300022) instead of a list.
    pub(super) fn is_unknown(&self) -> bool {
        self.announced.is_none() && self.items.is_empty()
    }
}

/// Asks for all replays of a room: one call, unless there is more than one page. A page that brings
/// nothing new is the last, whatever `total` says.
///
/// # Errors
/// When a page cannot be fetched.
pub(super) async fn list(
    calls: Calls<'_>,
    account: &Account,
    room: RoomId,
) -> Result<Replays, Error> {
    let mut replays = Replays { items: Vec::new(), announced: None, rows: 0 };
    let mut seen = HashSet::new();
    for _ in 0..MOST_PAGES {
        let client = &account.client;
        let page = account
            .call(calls, "the replays of a room", || client.replays(room, replays.rows))
            .await;
        let page = match page {
            // WeChat reports an unknown room either as an error or as an empty list.
            Err(Error::Wechat(error)) if error.class() == Class::NoSuchRoom => break,
            page => page?,
        };
        replays.rows += page.replays.len() as u64;
        replays.announced = replays.announced.or(page.total);
        let before = replays.items.len();
        let is_new =
            |item: &Replay| seen.insert((item.media_url.clone(), item.create_time.raw.clone()));
        let new = page.replays.into_iter().filter(is_new);
        replays.items.extend(new);
        let is_last = page.total.is_none_or(|total| replays.rows >= total);
        if is_last || replays.items.len() == before {
            break;
        }
    }
    Ok(replays)
}

/// Fresh URLs for the recordings of one room. One API call serves all of them.
#[derive(Debug)]
pub struct FreshUrls {
    context: Arc<Context>,
    account: Arc<Account>,
    room: RoomId,
    listed_at: Option<Timestamp>,
    listed: Mutex<Relisted>,
}

#[derive(Debug, Default)]
struct Relisted {
    times: u32,
    /// The latest forecast expiry that was asked about: each is asked about once, whatever the answer.
    asked_until: Option<Timestamp>,
    /// By path.
    urls: HashMap<String, MediaUrl>,
}

impl FreshUrls {
    /// How many times a room is listed again in one run.
    const MOST_TIMES: u32 = 3;

    /// For a room that was last listed at `listed_at`.
    pub fn new(
        context: Arc<Context>,
        account: Arc<Account>,
        room: RoomId,
        listed_at: Option<Timestamp>,
    ) -> Self {
        Self { context, account, room, listed_at, listed: Mutex::default() }
    }

    /// A URL for the same file other than the refused one; `None` when WeChat gives no other, or was
    /// asked often enough. A plain URL that was just listed is not asked for again, because it has no
    /// signature that could have expired.
    ///
    /// # Errors
    /// When WeChat cannot be asked.
    pub async fn instead_of(&self, refused: &MediaUrl) -> Result<Option<MediaUrl>, Error> {
        let is_fresh = self.listed_at.is_some_and(|at| self.context.clock.now() < at + FRESH);
        if is_fresh && !refused.has_query() {
            return Ok(None);
        }
        let mut listed = self.listed.lock().await;
        let other = |listed: &Relisted| {
            let url = listed.urls.get(refused.path())?;
            (url.expose() != refused.expose()).then(|| url.clone())
        };
        if let Some(url) = other(&listed) {
            return Ok(Some(url));
        }
        if listed.times >= Self::MOST_TIMES {
            return Ok(None);
        }
        listed.times += 1;
        self.list_into(&mut listed).await?;
        Ok(other(&listed))
    }

    /// A URL for the same file that outlives `current`, which is about to expire at `expires`; `None`
    /// when WeChat has none. One call serves all recordings of the room whose URLs expire by then. No
    /// call is made when the day's calls are used up.
    ///
    /// # Errors
    /// When WeChat cannot be asked; it is not asked again about this expiry.
    pub async fn beyond(
        &self,
        current: &MediaUrl,
        expires: Timestamp,
    ) -> Result<Option<MediaUrl>, Error> {
        let mut listed = self.listed.lock().await;
        let later = |listed: &Relisted| {
            let url = listed.urls.get(current.path())?;
            expires_at(url).is_none_or(|at| at > expires).then(|| url.clone())
        };
        if let Some(url) = later(&listed) {
            return Ok(Some(url));
        }
        let (context, account) = (&self.context, &self.account);
        let today =
            context.ledger.quota(&account.appid, context.clock.now(), account.share).await?;
        if today.left() == 0 || listed.asked_until.is_some_and(|asked_until| asked_until >= expires)
        {
            return Ok(None);
        }
        listed.asked_until = Some(expires);
        self.list_into(&mut listed).await?;
        Ok(later(&listed))
    }

    async fn list_into(&self, listed: &mut Relisted) -> Result<(), Error> {
        let replays = list(self.context.calls(), &self.account, self.room).await?;
        let urls = replays.items.iter().filter_map(|item| MediaUrl::parse(&item.media_url).ok());
        listed.urls = urls.map(|url| (url.path().to_owned(), url)).collect();
        Ok(())
    }
}
