//! Survey: checks by listing the bucket that it still has what the ledger recorded.
//!
//! The listing shows which rooms have a manifest, `SHA256SUMS` and the playlists of their wholes, and
//! the total size of their segments and chunks. One request covers a thousand objects. Both sides
//! arrive in key order, a page at a time, so memory use does not grow with the archive. No object is
//! read: that is what `verify --deep` is for.

use std::collections::HashSet;

use super::Error;
use crate::ledger::{Ledger, Sealing};
use crate::model::{AppId, ObjectKey, RoomId, SOURCE_PLAYLIST};
use crate::store::{AccountKeys, ListedObject, Store};

/// Pages in a usual survey: all of a small archive, or a share of a large one that starts where the
/// previous survey ended.
const PAGES: u32 = 50;

/// The most rooms a usual survey reports; the next survey finds the rest.
const MOST: usize = 10_000;

/// Rooms per query to the ledger.
const AT_ONCE: u32 = 1_000;

/// So many rooms with something missing are looked at again before that is said.
const CONFIRMED: usize = 100;

/// The most playlists remembered per room, since others may have put any number there.
const MOST_PLAYLISTS: usize = 1_000;

/// How much of the bucket to survey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// One night's share.
    Share,
    /// All of it.
    All,
}

/// The findings of a survey.
#[derive(Debug, Default)]
pub struct Surveyed {
    /// Rooms with something missing.
    pub lacking: Vec<RoomId>,
    /// Whether the account has no objects at all below its rooms' prefix.
    pub is_empty: bool,
    /// The last room that was surveyed; `None` at the end.
    pub reached: Option<RoomId>,
    /// The rooms that the bucket has something of, where all of it was looked through.
    pub rooms: Option<HashSet<RoomId>>,
}

/// Compares an account's objects in the bucket with what the ledger knows to be sealed. Changes
/// nothing: the caller records the findings together with the position reached.
///
/// # Errors
/// When the store or the ledger fails.
pub async fn survey(
    ledger: &Ledger,
    store: &Store,
    appid: &AppId,
    extent: Extent,
) -> Result<Surveyed, Error> {
    let is_any_sealed = !ledger.sealed_rooms(appid, None, None, 1).await?.is_empty();
    let keys = store.keys(appid);
    let begun = match extent {
        Extent::Share => ledger.surveyed(appid).await?,
        Extent::All => None,
    };
    let mut listing = store.list(&keys.rooms_folder());
    if let Some(room) = begun {
        listing = listing.behind(keys.behind(room));
    }
    let (found, doubtful) = (Surveyed::default(), Vec::new());
    let mut course = Course { ledger, appid, after: begun, found, doubtful };
    let (mut rooms, mut pages, mut objects) = (Rooms::new(keys), 0, 0);
    let reached = loop {
        let Some(page) = listing.next_page().await? else {
            course.compare(rooms.take_all(), None).await?;
            break None;
        };
        (pages, objects) = (pages + 1, objects + page.len());
        rooms.add(&page);
        let ended = rooms.take_ended();
        if let Some(last) = ended.last().map(|seen| seen.room) {
            course.compare(ended, Some(last)).await?;
        }
        let is_enough = pages >= PAGES || course.found.lacking.len() >= MOST;
        if extent == Extent::Share && is_enough && course.after != begun {
            break course.after;
        }
    };
    let Course { mut found, doubtful, .. } = course;
    let is_misplaced = is_any_sealed && objects == 0;
    for sealing in doubtful.into_iter().filter(|_| !is_misplaced) {
        // Another process may have archived it after the listing had passed.
        if look_again(store, appid, sealing.room).await?.has(&sealing) {
            found.lacking.retain(|room| *room != sealing.room);
        }
    }
    found.reached = reached;
    found.rooms = (begun.is_none() && reached.is_none()).then_some(rooms.all);
    // An empty listing from the middle on says nothing about what comes before it.
    found.is_empty =
        is_any_sealed && objects == 0 && (begun.is_none() || !has_any(store, appid).await?);
    tracing::info!(
        account.appid = %appid,
        survey.objects = objects,
        survey.lacking = found.lacking.len(),
        "surveyed the bucket of {appid}"
    );
    Ok(found)
}

/// Whether an account has any object below its rooms' prefix.
async fn has_any(store: &Store, appid: &AppId) -> Result<bool, Error> {
    let folder = store.keys(appid).rooms_folder();
    let first = store.list(&folder).next_page().await?;
    Ok(first.is_some_and(|page| !page.is_empty()))
}

/// What the bucket has of one room now.
async fn look_again(store: &Store, appid: &AppId, room: RoomId) -> Result<Seen, Error> {
    let keys = store.keys(appid);
    let mut listing = store.list(keys.room(room).folder());
    let mut seen = Seen::nothing_of(room);
    while let Some(page) = listing.next_page().await? {
        for object in &page {
            note(&mut seen, &keys, &object.key, object.bytes);
        }
    }
    Ok(seen)
}

/// What the listing shows of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    room: RoomId,
    has_manifest: bool,
    has_sums: bool,
    segment_bytes: u64,
    chunk_bytes: u64,
    /// Relative to the room's folder: few, as a whole has one or two.
    playlists: Vec<String>,
}

impl Seen {
    fn nothing_of(room: RoomId) -> Self {
        let (has_manifest, has_sums, segment_bytes, chunk_bytes) = (false, false, 0, 0);
        Self { room, has_manifest, has_sums, segment_bytes, chunk_bytes, playlists: Vec::new() }
    }

    /// Whether the room is complete, as far as a listing shows.
    fn has(&self, sealing: &Sealing) -> bool {
        self.has_manifest
            && self.has_sums
            && sealing.playlists.iter().all(|playlist| self.playlists.contains(playlist))
            && self.segment_bytes >= sealing.segment_bytes
            && self.chunk_bytes >= sealing.chunk_bytes
    }
}

/// The rooms of a listing, in order; the last one may continue on the next page.
#[derive(Debug)]
struct Rooms {
    keys: AccountKeys,
    seen: Vec<Seen>,
    all: HashSet<RoomId>,
}

impl Rooms {
    fn new(keys: AccountKeys) -> Self {
        Self { keys, seen: Vec::new(), all: HashSet::new() }
    }

    fn add(&mut self, page: &[ListedObject]) {
        for object in page {
            let Some(room) = self.keys.room_of(&object.key) else { continue };
            if self.seen.last().is_none_or(|last| last.room != room) {
                self.seen.push(Seen::nothing_of(room));
                self.all.insert(room);
            }
            if let Some(seen) = self.seen.last_mut() {
                note(seen, &self.keys, &object.key, object.bytes);
            }
        }
    }

    /// Takes the rooms whose objects have all been listed.
    fn take_ended(&mut self) -> Vec<Seen> {
        let open = self.seen.pop();
        let ended = std::mem::take(&mut self.seen);
        self.seen.extend(open);
        ended
    }

    fn take_all(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }
}

fn note(seen: &mut Seen, keys: &AccountKeys, key: &ObjectKey, bytes: u64) {
    let keys = keys.room(seen.room);
    seen.has_manifest |= *key == keys.manifest();
    seen.has_sums |= *key == keys.sums();
    let relative = keys.relative(key).unwrap_or_default();
    if relative.starts_with("segments/") {
        seen.segment_bytes = seen.segment_bytes.saturating_add(bytes);
    } else if relative.starts_with("whole/") && relative.ends_with(".m3u8") {
        if !relative.ends_with(SOURCE_PLAYLIST) && seen.playlists.len() < MOST_PLAYLISTS {
            seen.playlists.push(relative.to_owned());
        }
    } else if relative.starts_with("whole/") {
        seen.chunk_bytes = seen.chunk_bytes.saturating_add(bytes);
    }
}

/// The progress of a survey.
#[derive(Debug)]
struct Course<'a> {
    ledger: &'a Ledger,
    appid: &'a AppId,
    after: Option<RoomId>,
    found: Surveyed,
    /// The first rooms with something missing.
    doubtful: Vec<Sealing>,
}

impl Course<'_> {
    /// Compares what was listed up to a room, or to the end, with the ledger's records for that
    /// stretch.
    async fn compare(&mut self, seen: Vec<Seen>, upto: Option<RoomId>) -> Result<(), Error> {
        let mut seen = seen.into_iter().peekable();
        loop {
            let sealed = self.ledger.sealed_rooms(self.appid, self.after, upto, AT_ONCE).await?;
            let is_last = sealed.len() < AT_ONCE as usize;
            self.after = sealed.last().map(|sealing| sealing.room).or(self.after);
            for sealing in sealed {
                // Rooms in the bucket that the ledger has not sealed do not matter here.
                while seen.next_if(|seen| is_before(seen.room, sealing.room)).is_some() {}
                let found = seen.next_if(|seen| seen.room == sealing.room);
                if !found.is_some_and(|seen| seen.has(&sealing)) {
                    self.found.lacking.push(sealing.room);
                    if self.doubtful.len() < CONFIRMED {
                        self.doubtful.push(sealing);
                    }
                }
            }
            if is_last {
                self.after = upto.or(self.after);
                return Ok(());
            }
        }
    }
}

/// Whether the bucket lists a room before another: compared as text, so 10 before 9.
fn is_before(room: RoomId, other: RoomId) -> bool {
    room.to_string() < other.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Keys;

    fn listed(key: &str, bytes: u64) -> ListedObject {
        let key = ObjectKey::new(format!("p/wx1/rooms/{key}"));
        ListedObject { key, bytes, modified: None }
    }

    #[test]
    fn a_room_that_goes_on_with_the_next_page_is_one_room() {
        let mut rooms = Rooms::new(Keys::new("p").unwrap().account(&"wx1".parse().unwrap()));
        rooms.add(&[
            listed("10/manifest.json", 5),
            listed("10/segments/a.mp4", 7),
            listed("10/whole/0a/chunk-000000.ts", 3),
            listed("10/whole/0a/playlist.m3u8", 9),
            listed("10/whole/0a/source.m3u8", 9),
            listed("notes.txt", 1),
            listed("9/SHA256SUMS", 1),
        ]);
        let playlists = vec!["whole/0a/playlist.m3u8".to_owned()];
        let (segment_bytes, chunk_bytes) = (7, 3);
        let nothing = Seen::nothing_of(RoomId(10));
        let ten = Seen { has_manifest: true, segment_bytes, chunk_bytes, playlists, ..nothing };
        assert_eq!(rooms.take_ended(), [ten]);
        rooms.add(&[listed("9/manifest.json", 5), listed("9/segments/a.mp4", 3)]);
        rooms.add(&[listed("9/segments/b.mp4", 4)]);
        assert_eq!(rooms.take_ended(), []);
        let nothing = Seen::nothing_of(RoomId(9));
        let nine = Seen { has_manifest: true, has_sums: true, segment_bytes: 7, ..nothing };
        assert_eq!(rooms.take_all(), [nine]);
    }

    #[test]
    fn rooms_stand_in_the_order_of_their_keys() {
        assert!(is_before(RoomId(1), RoomId(10)) && is_before(RoomId(10), RoomId(9)));
        let keys = Keys::new("").unwrap().account(&"wx1".parse().unwrap());
        let (own, next) = (keys.room(RoomId(1)), keys.room(RoomId(10)));
        let behind = keys.behind(RoomId(1));
        assert!(own.manifest().as_str() < behind.as_str());
        assert!(own.whole_file("x", "y.ts").as_str() < behind.as_str());
        assert!(behind.as_str() < next.sums().as_str());
    }
}
