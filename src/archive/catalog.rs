//! Reads the published catalog of an account room by room. The catalog may have any length; only a few
//! of its rooms are in memory at a time.

mod split;

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use serde::de::Error as _;

use super::Error;
use super::published::is_of_another_format;
use crate::model::text::{LONGEST_ADDRESS, LONGEST_NAME, capped};
use crate::model::{AppId, CATALOG_SCHEMA, CatalogRoom, ObjectKey, RoomId};
use crate::store::{self, ObjectBody, Store};
use split::{Beside, LONGEST, Splitter, TooLong};

/// How many bytes are parsed without a pause.
const AT_ONCE: usize = 16 << 10;

/// Why reading a catalog failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The text is not a catalog, of this version or any other.
    #[error("it is damaged: {0}")]
    Damaged(serde_json::Error),
    /// Its rooms are not in ascending order, or one appears twice.
    #[error("its rooms are not in ascending order")]
    Unsorted,
    /// Any other error, which says nothing about the catalog.
    #[error(transparent)]
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

/// A published catalog being read.
#[derive(Debug)]
pub struct Reader {
    key: ObjectKey,
    appid: AppId,
    /// The source of its text, until it ends.
    body: Option<ObjectBody>,
    splitter: Splitter,
    order: Order,
    /// Rooms that were parsed but not yet returned.
    rooms: VecDeque<CatalogRoom>,
    /// The last room that was parsed.
    last: Option<RoomId>,
    /// Whether rooms with nothing but a number were skipped.
    has_blanks: bool,
}

/// The order that the rooms of a catalog must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Ascending,
    Any,
}

impl Reader {
    /// Opens the catalog of an account and returns it with its ETag; `None` if there is none.
    ///
    /// # Errors
    /// When the store refuses or does not answer.
    pub async fn open(
        store: &Store,
        appid: &AppId,
    ) -> Result<Option<(Self, Option<String>)>, Error> {
        let key = store.keys(appid).catalog();
        let Some(body) = store.read(&key).await? else { return Ok(None) };
        let etag = body.etag().map(str::to_owned);
        let reader = Self { body: Some(body), ..Self::of_none(store, appid) };
        Ok(Some((reader, etag)))
    }

    /// The same, for whoever does not wait longer than this for the next bytes.
    #[must_use]
    pub fn waiting(self, longest: Duration) -> Self {
        Self { body: self.body.map(|body| body.waiting(longest)), ..self }
    }

    /// A reader without any rooms.
    pub fn of_none(store: &Store, appid: &AppId) -> Self {
        Self {
            key: store.keys(appid).catalog(),
            appid: appid.clone(),
            body: None,
            splitter: Splitter::default(),
            order: Order::Ascending,
            rooms: VecDeque::new(),
            last: None,
            has_blanks: false,
        }
    }

    /// Reads an unordered catalog to its end and returns a reader that yields its rooms in order.
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

    /// The same, for whoever does not mind in which order the rooms are.
    #[must_use]
    pub fn in_any_order(self) -> Self {
        Self { order: Order::Any, ..self }
    }

    /// When the catalog was written; known once it was read to its end.
    pub fn published_at(&self) -> Option<Timestamp> {
        self.splitter.published_at()
    }

    /// Whether rooms with nothing but a number were skipped.
    pub fn has_blanks(&self) -> bool {
        self.has_blanks
    }

    /// The next room of which more than the number is known; `None` at the end.
    ///
    /// # Errors
    /// When the store does not answer, or this version cannot read the text.
    pub async fn next(&mut self) -> Result<Option<CatalogRoom>, Failure> {
        self.fill().await?;
        Ok(self.rooms.pop_front())
    }

    /// As [`Reader::next`], but only if `is_it` accepts the room; otherwise it stays the next one.
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

    /// Reads until a room is available or the text ends.
    async fn fill(&mut self) -> Result<(), Failure> {
        while self.rooms.is_empty() {
            let Some(body) = &mut self.body else { return Ok(()) };
            let Some(bytes) = body.next().await? else {
                self.body = None;
                return self.check_rest().map_err(|error| self.unreadable(error));
            };
            for some in bytes.chunks(AT_ONCE) {
                self.parse(some).await?;
                // A server answers others meanwhile.
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Checks what is beside the rooms: whose catalog it is, and of which format.
    fn check_rest(&self) -> Result<(), serde_json::Error> {
        let Beside { schema, appid } = self.splitter.check_rest()?;
        if let Some(schema) = schema.filter(|schema| schema != CATALOG_SCHEMA) {
            let schema = capped(&schema, LONGEST_NAME);
            return Err(serde_json::Error::custom(format!("its format is {schema:?}")));
        }
        match appid.filter(|appid| *appid != self.appid) {
            Some(other) => Err(serde_json::Error::custom(format!("it is the catalog of {other}"))),
            None => Ok(()),
        }
    }

    /// Takes the rooms that end in the next bytes.
    async fn parse(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let mut texts = Vec::new();
        self.split(bytes, &mut texts)?;
        for text in texts {
            match serde_json::from_slice(&text) {
                Ok(room) => self.take(room)?,
                Err(error) => return Err(self.give_up(error).await),
            }
        }
        Ok(())
    }

    fn take(&mut self, mut room: CatalogRoom) -> Result<(), Failure> {
        room.name = capped(&room.name, LONGEST_NAME);
        room.anchor_name = room.anchor_name.map(|name| capped(&name, LONGEST_NAME));
        room.cover = room.cover.filter(|key| key.len() <= LONGEST_ADDRESS);
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
            let what = format!("it has more than {LONGEST} bytes besides its rooms");
            self.unreadable(serde_json::Error::custom(what))
        })
    }

    /// Reads the rest of a text with an unreadable room: the fields beside the rooms show which program
    /// wrote it.
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
            return Error::ForeignCatalog { key, source }.into();
        }
        Failure::Damaged(source)
    }
}

/// Whether only the number of a room is known.
pub fn is_blank(room: &CatalogRoom) -> bool {
    let CatalogRoom { name, live_status, start_time, end_time, status, .. } = room;
    name.is_empty()
        && live_status.is_none()
        && start_time.is_none()
        && end_time.is_none()
        && status.is_none()
}
