//! The catalogs, indexed. One that may have changed is read again in the background, while the old one goes
//! on answering; never two at once, so that one more is in memory at most. A bucket that does not answer about one
//! keeps nobody waiting for another: a turn is taken when the text begins to come. Indexing takes seconds of a
//! processor: it pauses again and again, so that those who ask meanwhile are answered as fast as ever.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::{Error, FRESH};
use crate::archive;
use crate::archive::catalog::{Failure, Reader};
use crate::archive::index::{Index, LARGEST, Unusable};
use crate::clock;
use crate::model::AppId;
use crate::store::{ObjectHead, Store};

/// The memory of all catalogs together, in bytes.
const BUDGET: usize = LARGEST;

/// The largest catalog that is read, in bytes. One whose index fits into memory is much smaller.
const LONGEST: u64 = 512 << 20;

/// How long the bucket may take to say which catalog it has, and to begin to send it.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);

/// How many are asked for at once.
const ASKED: usize = 64;

/// How many that have begun to come wait for their turn, or have it.
const OPEN: usize = 16;

/// How long the text of one may stand still, and how long all of it may take. Others wait meanwhile.
const STALL_LIMIT: Duration = Duration::from_secs(15);
const READ_LIMIT: Duration = Duration::from_secs(10 * 60);

/// The longest pause while a catalog is indexed.
const LONGEST_PAUSE: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub(super) struct Catalogs {
    store: Store,
    slots: Mutex<HashMap<AppId, Arc<Slot>>>,
    /// Held while the bucket is asked which catalog it has.
    asked: Semaphore,
    /// Held from when a catalog is asked for until it is indexed.
    open: Semaphore,
    /// Held while a catalog is indexed.
    turn: Semaphore,
}

/// The catalog of one account.
#[derive(Debug)]
struct Slot {
    state: watch::Sender<State>,
    used: Mutex<Instant>,
}

#[derive(Debug, Clone, Default)]
struct State {
    /// What the last look found; `None` before the first.
    found: Option<Result<Found, Error>>,
    looked: Option<Instant>,
    is_reading: bool,
    /// The ETag of a catalog that cannot be used. It is not read again.
    refused: Option<String>,
}

/// Ends the reading of a catalog, also where a panic ended it: whoever asks next has it read again.
struct Reading<'a>(&'a Slot);

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        self.0.state.send_if_modified(|state| {
            let was_cut = std::mem::take(&mut state.is_reading);
            if was_cut {
                state.looked = Some(now);
            }
            was_cut
        });
    }
}

#[derive(Debug, Clone, Default)]
struct Found {
    /// `None` if there is no catalog.
    index: Option<Arc<Index>>,
    etag: Option<String>,
}

/// Why a catalog is not known.
#[derive(Debug)]
enum Failed {
    /// The bucket does not have it readily.
    Unreachable,
    /// There is one, with this ETag, that cannot be used.
    Unusable(Option<String>),
}

impl Catalogs {
    pub(super) fn new(store: Store) -> Self {
        let [asked, open, turn] = [ASKED, OPEN, 1].map(Semaphore::new);
        Self { store, slots: Mutex::default(), asked, open, turn }
    }

    /// The catalog of an account as it was a few seconds ago, or as it is now where nobody has asked for it
    /// for longer than that.
    pub(super) async fn get(self: &Arc<Self>, appid: &AppId) -> Result<Option<Arc<Index>>, Error> {
        let slot = self.slot(appid);
        let mut state = slot.state.subscribe();
        self.refresh(appid, &slot);
        let is_known = |state: &State| state.index().is_some() || !state.is_reading;
        let state = state.wait_for(is_known).await.map_err(|_| Error::Unreachable)?;
        match &state.found {
            Some(Ok(found)) => Ok(found.index.clone()),
            Some(Err(error)) => Err(error.clone()),
            None => Err(Error::Unreachable),
        }
    }

    /// The catalog of an account if it is in memory.
    pub(super) fn at_hand(&self, appid: &AppId) -> Option<Arc<Index>> {
        let slot = self.slots().get(appid).map(Arc::clone)?;
        let state = slot.state.borrow();
        state.index().map(Arc::clone)
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<AppId, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, appid: &AppId) -> Arc<Slot> {
        let mut slots = self.slots();
        let slot = slots.entry(appid.clone()).or_insert_with(|| {
            let (state, used) = (watch::Sender::default(), Mutex::new(Instant::now()));
            Arc::new(Slot { state, used })
        });
        *slot.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        Arc::clone(slot)
    }

    /// Has the bucket looked at, unless that was done a moment ago or is being done.
    fn refresh(self: &Arc<Self>, appid: &AppId, slot: &Arc<Slot>) {
        let is_due = slot.state.send_if_modified(|state| {
            let is_due = !state.is_reading && state.looked.is_none_or(|at| at.elapsed() >= FRESH);
            state.is_reading |= is_due;
            is_due
        });
        if is_due {
            let (catalogs, appid, slot) = (Arc::clone(self), appid.clone(), Arc::clone(slot));
            // Not as part of a request: a large catalog is read to its end even if nobody waits so long.
            tokio::spawn(async move {
                let _reading = Reading(&slot);
                catalogs.look(&appid, &slot).await;
            });
        }
    }

    async fn look(&self, appid: &AppId, slot: &Slot) {
        let state = slot.state.borrow().clone();
        let read = self.read(appid, &state).await;
        slot.state.send_modify(|state| {
            match read {
                Ok(found) => (state.found, state.refused) = (Some(Ok(found)), None),
                Err(Failed::Unreachable) => state.failed(Error::Unreachable),
                Err(Failed::Unusable(etag)) => {
                    state.failed(Error::Unusable("the catalog of the account"));
                    state.refused = etag;
                }
            }
            (state.looked, state.is_reading) = (Some(Instant::now()), false);
        });
        self.evict(slot);
    }

    /// The catalog as it is in the bucket, without reading again what is known of it.
    async fn read(&self, appid: &AppId, state: &State) -> Result<Found, Failed> {
        let Some(head) = self.head(appid).await? else { return Ok(Found::default()) };
        if head.etag.is_some() && head.etag == state.refused {
            return Err(Failed::Unusable(head.etag));
        }
        if let Some(known) = state.unchanged(&head) {
            return Ok(known);
        }
        if head.bytes > LONGEST {
            let why = format!("it has {} bytes, more than {LONGEST}", head.bytes);
            return Err(unusable(appid, &head, &why));
        }
        let _open = self.open.acquire().await;
        let opened = answered(appid, Reader::open(&self.store, appid)).await?;
        let Some((catalog, _)) = opened else { return Ok(Found::default()) };
        let pace = if state.index().is_some() { Pace::Considerate } else { Pace::Fast };
        let _turn = self.turn.acquire().await;
        let indexed = clock::within(READ_LIMIT, index(catalog.waiting(STALL_LIMIT), pace)).await;
        match indexed.map_err(|_| too_slow(appid, READ_LIMIT))? {
            Ok(index) => Ok(Found { index: Some(Arc::new(index)), etag: head.etag }),
            Err(Unusable::Unread(Failure::Failed(archive::Error::Store(error)))) => {
                Err(unreachable(appid, &error))
            }
            Err(error) => Err(unusable(appid, &head, &error)),
        }
    }

    /// Which catalog the bucket has.
    async fn head(&self, appid: &AppId) -> Result<Option<ObjectHead>, Failed> {
        let _asked = self.asked.acquire().await;
        answered(appid, self.store.head(&self.store.keys(appid).catalog())).await
    }

    /// Forgets catalogs, those first that nobody has asked for longest, until the rest fit into memory.
    fn evict(&self, kept: &Slot) {
        let mut slots = self.slots();
        let mut sizes: Vec<_> = slots
            .iter()
            .filter(|(_, slot)| !std::ptr::eq(Arc::as_ptr(slot), kept))
            .map(|(appid, slot)| {
                let used = *slot.used.lock().unwrap_or_else(PoisonError::into_inner);
                (used, appid.clone(), slot.bytes())
            })
            .collect();
        sizes.sort_by_key(|(used, ..)| *used);
        let mut bytes = kept.bytes() + sizes.iter().map(|(.., bytes)| bytes).sum::<usize>();
        for (_, appid, freed) in sizes {
            if bytes <= BUDGET {
                break;
            }
            slots.remove(&appid);
            bytes -= freed;
        }
    }
}

/// What the bucket answers about a catalog, unless that takes too long.
async fn answered<T, E: std::error::Error>(
    appid: &AppId,
    asked: impl Future<Output = Result<T, E>>,
) -> Result<T, Failed> {
    let answer = clock::within(ANSWER_LIMIT, asked).await;
    answer.map_err(|_| too_slow(appid, ANSWER_LIMIT))?.map_err(|error| unreachable(appid, &error))
}

fn too_slow(appid: &AppId, limit: Duration) -> Failed {
    tracing::warn!(account = %appid, "reading the catalog of {appid} took more than {} s", limit.as_secs());
    Failed::Unreachable
}

fn unreachable(appid: &AppId, error: &dyn std::error::Error) -> Failed {
    tracing::warn!(account = %appid, %error, "failed to read the catalog of {appid}: {error}");
    Failed::Unreachable
}

fn unusable(appid: &AppId, head: &ObjectHead, why: &dyn std::fmt::Display) -> Failed {
    tracing::warn!(account = %appid, "the catalog of {appid} cannot be used: {why}");
    Failed::Unusable(head.etag.clone())
}

/// How much of a processor indexing takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// All of it: somebody waits.
    Fast,
    /// A quarter of it: there is an older catalog to answer with.
    Considerate,
}

/// Indexes a catalog.
async fn index(catalog: Reader, pace: Pace) -> Result<Index, Unusable> {
    let mut indexing = Index::begin(catalog);
    let mut began = Instant::now();
    while indexing.take_some().await? {
        if pace == Pace::Considerate {
            clock::pause((3 * began.elapsed()).min(LONGEST_PAUSE)).await;
        }
        began = Instant::now();
    }
    // Nobody is to wait while all rooms are sorted.
    let finishing = tokio::task::spawn_blocking(move || indexing.finish());
    finishing.await.map_err(|_| Unusable::TooLarge)
}

impl State {
    /// Notes a failure. What was read once is better than nothing.
    fn failed(&mut self, error: Error) {
        if self.index().is_none() {
            self.found = Some(Err(error));
        }
    }

    /// What is known, if the catalog is still that one.
    fn unchanged(&self, head: &ObjectHead) -> Option<Found> {
        let found = self.found.as_ref()?.as_ref().ok()?;
        let is_known = found.index.is_some() && head.etag.is_some() && head.etag == found.etag;
        is_known.then(|| found.clone())
    }

    fn index(&self) -> Option<&Arc<Index>> {
        self.found.as_ref()?.as_ref().ok()?.index.as_ref()
    }
}

impl Slot {
    fn bytes(&self) -> usize {
        self.state.borrow().index().map_or(0, |index| index.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_while_a_catalog_is_read_does_not_keep_it_from_being_read_again() {
        let reading = State { is_reading: true, ..State::default() };
        let slot =
            Arc::new(Slot { state: watch::Sender::new(reading), used: Mutex::new(Instant::now()) });
        let read = Arc::clone(&slot);
        let ended = tokio::spawn(async move {
            let _reading = Reading(&read);
            tokio::task::yield_now().await;
            panic!("a bug");
        });
        assert!(ended.await.is_err());
        let state = slot.state.borrow();
        assert!(!state.is_reading && state.looked.is_some());
    }
}
