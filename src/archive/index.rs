//! A catalog in little memory, for whoever searches it again and again: a hundred thousand rooms take
//! about 25 MiB and are searched in a millisecond or two. Pure, but for [`Indexing::take_some`].

mod cursor;

use std::collections::HashSet;

use jiff::Timestamp;
use memchr::memmem;

use super::catalog::{Failure, Reader};
use super::search::{Query, folded};
use crate::model::{CatalogRoom, LiveStatus, RoomId, RoomStatus, Sha256Digest};
use cursor::NO_TIME;

pub use cursor::{Cursor, Order};

/// The most memory that an index may take, in bytes.
pub const LARGEST: usize = 64 << 20;

/// How many rooms are taken without a pause.
const AT_ONCE: usize = 32;

/// Stands for a number or a text that is not known.
const NO_NUMBER: u64 = u64::MAX;
const NO_TEXT: u16 = u16::MAX;

/// Separates texts to search in. No word contains it.
const END: char = '\n';

/// Why a catalog cannot be indexed.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It cannot be read.
    #[error("{0}")]
    Unread(Failure),
    /// It has too many rooms.
    #[error("its index would take more than {LARGEST} bytes")]
    TooLarge,
}

impl From<Failure> for Unusable {
    fn from(failure: Failure) -> Self {
        Self::Unread(failure)
    }
}

/// The rooms of a catalog. What every search looks at is in lists of its own, so that it passes through
/// the processor's cache.
#[derive(Debug, Default)]
pub struct Index {
    published_at: Option<Timestamp>,
    /// In the order of the catalog, as all lists but the last.
    entries: Vec<Entry>,
    /// When each of them began.
    starts: Vec<i64>,
    statuses: Vec<Option<RoomStatus>>,
    /// Where the folded texts of each begin.
    folded_at: Vec<u32>,
    /// Their names and their anchors', as words are compared.
    folded: String,
    /// Their names, their anchors' and the keys of their covers.
    texts: String,
    /// The newest first; at the end those without a time.
    newest: Vec<u32>,
    /// How many have a time.
    dated: usize,
}

/// The rest of a room. Times are in milliseconds.
#[derive(Debug)]
struct Entry {
    room_id: RoomId,
    live_status: Option<LiveStatus>,
    end: i64,
    next_deadline: i64,
    listed_at: i64,
    duration_ms: u64,
    bytes: u64,
    has_manifest: bool,
    manifest_sha256: Option<Sha256Digest>,
    /// Where its texts begin.
    text: u32,
    /// The lengths of its texts, which follow one another.
    name: u16,
    anchor: u16,
    cover: u16,
}

/// One page of the rooms that match.
#[derive(Debug)]
pub struct Page {
    pub rooms: Vec<CatalogRoom>,
    /// How many there are on all pages.
    pub total: usize,
    /// Where the next page begins; `None` if this is the last.
    pub next: Option<Cursor>,
}

/// A catalog that is being indexed.
#[derive(Debug)]
pub struct Indexing {
    catalog: Reader,
    index: Index,
    /// The rooms that were taken.
    taken: HashSet<u64>,
}

impl Indexing {
    /// Takes some more rooms, which keeps a thread for less than a millisecond; `false` at the end.
    ///
    /// # Errors
    /// If the catalog cannot be read, or has too many rooms.
    pub async fn take_some(&mut self) -> Result<bool, Unusable> {
        for _ in 0..AT_ONCE {
            match self.catalog.next().await? {
                // Of a room that appears twice, the first is the one.
                Some(room) if !self.taken.insert(room.room_id.0) => {}
                Some(room) => self.index.add(&room)?,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// The index of all rooms that were taken. Sorts them, which keeps a thread for some tens of milliseconds.
    pub fn finish(mut self) -> Index {
        self.index.finish(self.catalog.published_at());
        self.index
    }
}

impl Index {
    /// Begins to index a catalog.
    pub fn begin(catalog: Reader) -> Indexing {
        let (index, taken) = (Self::default(), HashSet::new());
        Indexing { catalog: catalog.in_any_order(), index, taken }
    }

    /// When the catalog was written.
    pub fn published_at(&self) -> Option<Timestamp> {
        self.published_at
    }

    /// How many rooms it has.
    pub fn rooms(&self) -> usize {
        self.entries.len()
    }

    /// The memory that it takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
            + self.starts.capacity() * size_of::<i64>()
            + self.statuses.capacity() * size_of::<Option<RoomStatus>>()
            + (self.folded_at.capacity() + self.newest.capacity()) * size_of::<u32>()
            + self.texts.capacity()
            + self.folded.capacity()
    }

    /// A page of the rooms that are looked for: those after `after`, `limit` at most.
    pub fn page(&self, query: &Query, order: Order, after: Option<Cursor>, limit: usize) -> Page {
        let found = self.find(query);
        let total = found.iter().filter(|found| **found).count();
        let is_found = |at: &usize| found.get(*at).copied().unwrap_or(false);
        let mut rest = self.places(order, after).filter(is_found);
        let places: Vec<usize> = rest.by_ref().take(limit).collect();
        let next = rest.next().and(places.last()).and_then(|at| self.cursor(*at));
        let rooms = places.into_iter().filter_map(|at| self.room(at)).collect();
        Page { rooms, total, next }
    }

    /// All rooms in an order, from a place on.
    fn places(&self, order: Order, after: Option<Cursor>) -> impl Iterator<Item = usize> {
        let (dated, undated) = self.newest.split_at(self.dated.min(self.newest.len()));
        let sorted: [Box<dyn Iterator<Item = &u32>>; 2] = match order {
            Order::Newest => [Box::new(dated.iter()), Box::new(undated.iter())],
            Order::Oldest => [Box::new(dated.iter().rev()), Box::new(undated.iter().rev())],
        };
        let is_behind = move |at: &usize| match after {
            None => true,
            Some(after) => {
                self.cursor(*at).is_some_and(|cursor| cursor.rank(order) > after.rank(order))
            }
        };
        let places = sorted.into_iter().flatten().map(|at| *at as usize);
        places.skip_while(move |at| !is_behind(at))
    }

    /// Which rooms are looked for.
    fn find(&self, query: &Query) -> Vec<bool> {
        let mut found = vec![true; self.entries.len()];
        if query.from.is_some() || query.before.is_some() {
            let has_day = self.starts.iter().map(|start| query.has_day(time(*start)));
            narrow(&mut found, has_day);
        }
        if !query.statuses.is_empty() {
            narrow(&mut found, self.statuses.iter().map(|status| query.has_status(*status)));
        }
        for word in query.words() {
            narrow(&mut found, self.with_word(word).into_iter());
        }
        found
    }

    /// Which rooms have a word in their name or their anchor's.
    fn with_word(&self, word: &str) -> Vec<bool> {
        let mut found = vec![false; self.entries.len()];
        let finder = memmem::Finder::new(word);
        // The first room whose texts begin behind the place.
        let (mut from, mut next) = (0, 0);
        while let Some(hit) = self.folded.as_bytes().get(from..).and_then(|text| finder.find(text))
        {
            let at = from + hit;
            next += self.begins(next).take_while(|begin| *begin <= at).count();
            if let Some(found) = found.get_mut(next.saturating_sub(1)) {
                *found = true;
            }
            let Some(begin) = self.begins(next).next() else { break };
            from = begin;
        }
        found
    }

    /// Where the folded texts of the rooms begin, from a room on.
    fn begins(&self, room: usize) -> impl Iterator<Item = usize> {
        self.folded_at.iter().skip(room).map(|begin| *begin as usize)
    }

    fn cursor(&self, at: usize) -> Option<Cursor> {
        let room_id = self.entries.get(at)?.room_id.0;
        Some(Cursor { start: *self.starts.get(at)?, room_id })
    }

    fn add(&mut self, room: &CatalogRoom) -> Result<(), Unusable> {
        let place = |text: &str| u32::try_from(text.len()).map_err(|_| Unusable::TooLarge);
        let (text, folded_at) = (place(&self.texts)?, place(&self.folded)?);
        let anchor = room.anchor_name.as_deref();
        for text in [Some(room.name.as_str()), anchor, room.cover.as_deref()] {
            self.texts.push_str(text.unwrap_or_default());
        }
        for text in [room.name.as_str(), anchor.unwrap_or_default()] {
            self.folded.push_str(&folded(text));
            self.folded.push(END);
        }
        let length = |text: Option<&str>| {
            text.map_or(NO_TEXT, |text| u16::try_from(text.len()).unwrap_or(NO_TEXT))
        };
        self.starts.push(millis(room.start_time));
        self.statuses.push(room.status);
        self.folded_at.push(folded_at);
        self.entries.push(Entry {
            room_id: room.room_id,
            live_status: room.live_status,
            end: millis(room.end_time),
            next_deadline: millis(room.next_deadline),
            listed_at: millis(room.listed_at),
            duration_ms: room.duration_ms.unwrap_or(NO_NUMBER),
            bytes: room.bytes.unwrap_or(NO_NUMBER),
            has_manifest: room.manifest_key.is_some(),
            manifest_sha256: room.manifest_sha256,
            text,
            name: length(Some(&room.name)),
            anchor: length(anchor),
            cover: length(room.cover.as_deref()),
        });
        if self.bytes() > LARGEST { Err(Unusable::TooLarge) } else { Ok(()) }
    }

    fn finish(&mut self, published_at: Option<Timestamp>) {
        self.published_at = published_at;
        self.entries.shrink_to_fit();
        self.starts.shrink_to_fit();
        self.statuses.shrink_to_fit();
        self.folded_at.shrink_to_fit();
        self.texts.shrink_to_fit();
        self.folded.shrink_to_fit();
        let cursors = (0..self.entries.len()).filter_map(|at| self.cursor(at));
        let ranks = cursors.map(|cursor| cursor.rank(Order::Newest));
        let mut newest: Vec<(_, u32)> = ranks.zip(0..).collect();
        newest.sort();
        self.dated = newest.iter().filter(|((is_undated, ..), _)| !is_undated).count();
        self.newest = newest.into_iter().map(|(_, at)| at).collect();
    }

    /// The room as the catalog has it.
    fn room(&self, at: usize) -> Option<CatalogRoom> {
        let (entry, start, status) =
            (self.entries.get(at)?, *self.starts.get(at)?, *self.statuses.get(at)?);
        let mut from = entry.text as usize;
        let mut text = |length: u16| {
            let length = Some(length).filter(|length| *length != NO_TEXT).map(usize::from)?;
            let text = self.texts.get(from..from + length)?;
            from += length;
            Some(text.to_owned())
        };
        let number = |number: u64| Some(number).filter(|number| *number != NO_NUMBER);
        Some(CatalogRoom {
            room_id: entry.room_id,
            name: text(entry.name).unwrap_or_default(),
            anchor_name: text(entry.anchor),
            cover: text(entry.cover),
            live_status: entry.live_status,
            start_time: time(start),
            end_time: time(entry.end),
            status,
            manifest_key: entry
                .has_manifest
                .then(|| format!("rooms/{}/manifest.json", entry.room_id)),
            manifest_sha256: entry.manifest_sha256,
            // Nobody who looks for rooms asks for it.
            manifest_revision: None,
            duration_ms: number(entry.duration_ms),
            bytes: number(entry.bytes),
            next_deadline: time(entry.next_deadline),
            listed_at: time(entry.listed_at),
            left_out: None,
        })
    }
}

/// Leaves only those that something else holds of as well.
fn narrow(found: &mut [bool], also: impl Iterator<Item = bool>) {
    found.iter_mut().zip(also).for_each(|(found, also)| *found &= also);
}

fn millis(time: Option<Timestamp>) -> i64 {
    time.map_or(NO_TIME, Timestamp::as_millisecond)
}

fn time(millis: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(millis).ok().filter(|_| millis != NO_TIME)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn index(rooms: &[CatalogRoom]) -> Index {
        let mut index = Index::default();
        rooms.iter().for_each(|room| index.add(room).unwrap());
        index.finish(None);
        index
    }

    fn room(id: u64, name: &str, day: Option<u32>) -> CatalogRoom {
        let start = day.map(|day| format!("2026-11-{:02}T12:00:00Z", 1 + day));
        let room = json!({
            "room_id": id,
            "name": name,
            "start_time": start,
            "status": if id.is_multiple_of(2) { Some("complete") } else { None },
        });
        serde_json::from_value(room).unwrap()
    }

    #[test]
    fn a_room_comes_out_as_it_went_in() {
        let full = json!({
            "room_id": 354,
            "name": "双11 Ｌipstick",
            "live_status": 103,
            "start_time": "2026-11-01T12:00:00Z",
            "end_time": "2026-11-01T13:00:00Z",
            "status": "complete",
            "manifest_key": "rooms/354/manifest.json",
            "manifest_sha256": "ab".repeat(32),
            "anchor_name": "",
            "cover": "rooms/354/images/cover.jpg",
            "duration_ms": 1,
            "bytes": 0,
            "next_deadline": "2027-11-01T12:00:00Z",
            "listed_at": "2026-11-02T12:00:00Z",
        });
        let full: CatalogRoom = serde_json::from_value(full).unwrap();
        let rooms = [full, room(2, "", None), room(1, "b", Some(3))];
        let page = index(&rooms).page(&Query::default(), Order::Oldest, None, 9);
        assert_eq!(page.rooms, [&rooms[0], &rooms[2], &rooms[1]].map(Clone::clone));
        assert_eq!((page.total, page.next), (3, None));
    }

    #[test]
    fn a_word_is_not_found_across_two_texts() {
        let rooms = [room(1, "ab", Some(1)), room(2, "cd", Some(1)), room(3, "xabx", None)];
        let index = index(&rooms);
        let found = |word: &str| {
            let query = Query::for_words(&[word.to_owned()]);
            let page = index.page(&query, Order::Newest, None, 9);
            page.rooms.iter().map(|room| room.room_id.0).collect::<Vec<_>>()
        };
        assert_eq!(found("AB"), [1, 3]);
        assert_eq!(found("bc"), [0; 0]);
        assert_eq!(found("d"), [2]);
        assert_eq!(found("a b"), [1, 3]);
    }

    proptest! {
        #[test]
        fn all_pages_together_are_what_a_plain_search_finds(
            rooms in proptest::collection::vec(("[ab]{0,3}", proptest::option::of(0..4_u32)), 0..30),
            word in "[ab]{0,2}",
            limit in 1..7_usize,
            is_newest: bool,
        ) {
            let rooms: Vec<_> =
                (0..).zip(&rooms).map(|(id, (name, day))| room(id, name, *day)).collect();
            let mut query = Query::for_words(&[word]);
            query.statuses = vec![Some(RoomStatus::Complete)];
            let order = if is_newest { Order::Newest } else { Order::Oldest };
            let mut expected: Vec<_> = rooms.iter().filter(|room| query.finds(room)).collect();
            expected.sort_by_key(|room| {
                let start = room.start_time.map_or(0, Timestamp::as_second);
                let key = (start, room.room_id.0.cast_signed());
                let key = if is_newest { (-key.0, -key.1) } else { key };
                (room.start_time.is_none(), key)
            });
            let (index, mut found, mut after) = (index(&rooms), Vec::new(), None);
            loop {
                let page = index.page(&query, order, after, limit);
                prop_assert_eq!(page.total, expected.len());
                prop_assert!(page.rooms.len() == limit || page.next.is_none());
                found.extend(page.rooms);
                after = page.next;
                if after.is_none() { break }
            }
            prop_assert_eq!(found.iter().collect::<Vec<_>>(), expected);
        }
    }
}
