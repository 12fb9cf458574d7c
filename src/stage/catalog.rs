//! The catalog of an account as it was published, gone through room by room: it may be of any length,
//! and only some of its rooms are held at once.

mod split;

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::de::Error as _;

use super::published::is_of_another_format;
use super::{Context, Error};
use crate::ledger;
use crate::model::text::{LONGEST_NAME, capped};
use crate::model::{AppId, CATALOG_SCHEMA, CatalogRoom, ObjectKey, RoomId};
use crate::store::{self, ObjectBody};
use split::{LONGEST, Splitter, TooLong};

/// Why a catalog could not be gone through.
#[derive(Debug)]
pub enum Failure {
    /// Its text is not that of a catalog, and of no other version's.
    Damaged(serde_json::Error),
    /// Its rooms do not stand by ascending number, each once.
    Unsorted,
    /// Anything else: of the catalog nothing is known.
    Failed(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<ledger::Error> for Failure {
    fn from(error: ledger::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// A published catalog on its way through.
#[derive(Debug)]
pub struct Reader {
    key: ObjectKey,
    /// Where its text comes from, while there is more of it.
    body: Option<ObjectBody>,
    splitter: Splitter,
    order: Order,
    /// Rooms that were read and not taken yet.
    rooms: VecDeque<CatalogRoom>,
    /// The last room that was read.
    last: Option<RoomId>,
    /// Whether rooms of which only the number is known were passed over.
    has_blanks: bool,
}

/// How the rooms of a catalog must stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Ascending,
    Any,
}

impl Reader {
    /// Opens the catalog of an account, with its ETag; `None` where there is none.
    ///
    /// # Errors
    /// When the store refuses or does not answer.
    pub async fn open(
        context: &Context,
        appid: &AppId,
    ) -> Result<Option<(Self, Option<String>)>, Error> {
        let key = context.store.keys(appid).catalog();
        let Some(body) = context.store.read(&key).await? else { return Ok(None) };
        let etag = body.etag().map(str::to_owned);
        let reader = Self { body: Some(body), ..Self::of_none(context, appid) };
        Ok(Some((reader, etag)))
    }

    /// Goes through no room.
    pub fn of_none(context: &Context, appid: &AppId) -> Self {
        Self {
            key: context.store.keys(appid).catalog(),
            body: None,
            splitter: Splitter::default(),
            order: Order::Ascending,
            rooms: VecDeque::new(),
            last: None,
            has_blanks: false,
        }
    }

    /// Reads a catalog whose rooms stand in no order to its end, and goes through them in order.
    ///
    /// # Errors
    /// As [`Reader::next`].
    pub async fn sorted(mut self) -> Result<Self, Failure> {
        self.order = Order::Any;
        let mut rooms = Vec::new();
        while let Some(room) = self.next().await? {
            rooms.push(room);
        }
        rooms.sort_by_key(|room| room.room_id.0);
        rooms.dedup_by_key(|room| room.room_id.0);
        self.rooms = rooms.into();
        Ok(self)
    }

    /// When it was written, once it was gone through to its end.
    pub fn published_at(&self) -> Option<Timestamp> {
        self.splitter.published_at()
    }

    /// Whether rooms of which only the number is known were passed over.
    pub fn has_blanks(&self) -> bool {
        self.has_blanks
    }

    /// The next room of which anything is known; `None` at the end.
    ///
    /// # Errors
    /// When the store does not answer, or the text is none that this version can read.
    pub async fn next(&mut self) -> Result<Option<CatalogRoom>, Failure> {
        self.fill().await?;
        Ok(self.rooms.pop_front())
    }

    /// As [`Reader::next`], where `is_it` says yes to the room; else it is still the next one.
    ///
    /// # Errors
    /// As [`Reader::next`].
    pub async fn next_if(
        &mut self,
        is_it: impl FnOnce(&CatalogRoom) -> bool,
    ) -> Result<Option<CatalogRoom>, Failure> {
        self.fill().await?;
        Ok(if self.rooms.front().is_some_and(is_it) { self.rooms.pop_front() } else { None })
    }

    /// Reads on until a room is there, or the text is at its end.
    async fn fill(&mut self) -> Result<(), Failure> {
        while self.rooms.is_empty() {
            let Some(body) = &mut self.body else { return Ok(()) };
            let Some(bytes) = body.next().await? else {
                self.body = None;
                return self.splitter.check_rest().map_err(|error| self.unreadable(error));
            };
            let mut texts = Vec::new();
            self.split(&bytes, &mut texts)?;
            for text in texts {
                match serde_json::from_slice(&text) {
                    Ok(room) => self.take(room)?,
                    Err(error) => return Err(self.give_up(error).await),
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, mut room: CatalogRoom) -> Result<(), Failure> {
        room.name = capped(&room.name, LONGEST_NAME);
        if self.order == Order::Ascending && self.last.is_some_and(|last| last.0 >= room.room_id.0)
        {
            return Err(Failure::Unsorted);
        }
        self.last = Some(room.room_id);
        match is_blank(&room) {
            true => self.has_blanks = true,
            false => self.rooms.push_back(room),
        }
        Ok(())
    }

    fn split(&mut self, bytes: &[u8], texts: &mut Vec<Vec<u8>>) -> Result<(), Failure> {
        let fed = self.splitter.feed(bytes, texts);
        fed.map_err(|TooLong| {
            let what = format!("more than {LONGEST} bytes stand beside its rooms");
            self.unreadable(serde_json::Error::custom(what))
        })
    }

    /// Reads to the end a text that has a room that cannot be read: what stands beside the rooms tells
    /// whose it is.
    async fn give_up(&mut self, error: serde_json::Error) -> Failure {
        while let Some(body) = &mut self.body {
            match body.next().await {
                Ok(Some(bytes)) => {
                    if let Err(failure) = self.split(&bytes, &mut Vec::new()) {
                        return failure;
                    }
                }
                Ok(None) => self.body = None,
                Err(error) => return error.into(),
            }
        }
        self.unreadable(error)
    }

    fn unreadable(&self, source: serde_json::Error) -> Failure {
        if is_of_another_format(self.splitter.rest(), CATALOG_SCHEMA) {
            let key = self.key.to_string();
            return Error::ForeignManifest { key, source }.into();
        }
        Failure::Damaged(source)
    }
}

/// Whether nothing but the number is known of a room.
pub fn is_blank(room: &CatalogRoom) -> bool {
    let CatalogRoom { name, live_status, start_time, end_time, status, .. } = room;
    name.is_empty()
        && live_status.is_none()
        && start_time.is_none()
        && end_time.is_none()
        && status.is_none()
}
