//! Reads an object back once, for its digest and, where its samples were not examined yet, their
//! condition.

use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, Semaphore};

use crate::media::chunk::{ChunkWalk, Finding, Init, Told};
use crate::media::mp4::samples::{Examiner, SampleTables};
use crate::media::mp4::{BoxWalk, Limits, MoovBeyond};
use crate::media::ts::Promise;
use crate::model::{Damage, ObjectKey, Sha256Digest};
use crate::store::{Error, Store};

/// The largest `moov` used to examine samples, in bytes, as during a transfer.
const LARGEST: u64 = 16 << 20;

/// Larger `moov`s are held one at a time.
const SMALL: u64 = 1 << 20;

/// Bytes of a segment kept until its `moov` is found. Usually either the `moov` or media comes first.
const MOST_SEEN: usize = 4 << 20;

/// The kind of an object whose samples were not all examined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An MP4.
    Segment,
    /// A chunk of a broadcast, with what its playlist says about it and the key of the initialisation
    /// section it needs, if known.
    Chunk(Promise, Option<String>),
}

/// The condition of the samples of an object that is as it was archived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its key relative to the room's folder.
    pub key: String,
    /// Damaged samples.
    pub damage: Vec<Damage>,
    /// Why not all samples could be examined.
    pub unexamined: Option<String>,
}

/// State shared by the objects of a room.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub store: &'a Store,
    large: Arc<Semaphore>,
    /// The last initialisation section that was read.
    init: Mutex<Option<(ObjectKey, Option<Init>)>>,
}

/// The result of an examination: damage, and why not all samples could be examined.
type Examined = (Vec<Damage>, Option<String>);

impl<'a> Reading<'a> {
    /// Nothing is read yet.
    pub fn of(store: &'a Store) -> Self {
        Self { store, large: Arc::new(Semaphore::new(1)), init: Mutex::default() }
    }

    /// The SHA-256 of an object; `None` where there is none.
    pub async fn sha256(&self, key: &ObjectKey) -> Result<Option<Sha256Digest>, Error> {
        self.store.sha256(key).await
    }

    /// The SHA-256 of a segment, and the condition of its samples.
    pub async fn segment(
        &self,
        key: &ObjectKey,
    ) -> Result<Option<(Sha256Digest, Examined)>, Error> {
        let Some(mut body) = self.store.read(key).await? else { return Ok(None) };
        let (total, mut sha256) = (body.bytes(), Sha256::new());
        let (mut look, mut large) = (Look::Looking(Looking::new()), None);
        while let Some(bytes) = body.next().await? {
            sha256.update(&bytes);
            look = look.take(&bytes);
            if let Some(beyond) = look.needed(total) {
                let (MoovBeyond::Payload(at) | MoovBeyond::Boxes(at)) = &beyond;
                if at.end - at.start > SMALL {
                    large = Arc::clone(&self.large).acquire_owned().await.ok();
                }
                look = look.begin(self.tables(key, beyond).await?);
            }
        }
        drop(large);
        Ok(Some((Sha256Digest(sha256.finalize().into()), look.finish(total))))
    }

    /// Reads the sample tables when they are needed before their turn.
    async fn tables(
        &self,
        key: &ObjectKey,
        beyond: MoovBeyond,
    ) -> Result<Result<SampleTables, String>, Error> {
        let (MoovBeyond::Payload(at) | MoovBeyond::Boxes(at)) = &beyond;
        if at.end - at.start > LARGEST {
            return Ok(Err("its sample tables are too large, or too far behind".to_owned()));
        }
        let mut bytes = Received::default();
        self.store.read_range(key, at.clone(), &mut bytes).await?;
        let bytes = Bytes::from(bytes.0);
        let tables = match beyond {
            MoovBeyond::Payload(at) => SampleTables::read(&bytes, at.start),
            MoovBeyond::Boxes(at) => SampleTables::in_tail(&bytes, at.start),
        };
        Ok(tables.map_err(|error| error.to_string()))
    }

    /// The SHA-256 of a chunk, and the condition of its samples.
    pub async fn chunk(
        &self,
        key: &ObjectKey,
        promise: Promise,
        init: Option<ObjectKey>,
    ) -> Result<Option<(Sha256Digest, Examined)>, Error> {
        let Some(mut body) = self.store.read(key).await? else { return Ok(None) };
        let init = self.init(init).await?;
        let told = Told { promise: Some(promise), is_kept_cut: true, init, ..Told::default() };
        let (mut walk, mut sha256) = (Ok(ChunkWalk::new(told)), Sha256::new());
        while let Some(bytes) = body.next().await? {
            sha256.update(&bytes);
            walk = walk.and_then(|mut walk| walk.feed(&bytes).map(|()| walk));
        }
        let examined = match walk.and_then(ChunkWalk::finish) {
            Ok(examined) => {
                let damage = |finding: Finding| finding.damage(1);
                (examined.findings.into_iter().map(damage).collect(), examined.unexamined)
            }
            Err(error) => (vec![no_media(error.to_string())], None),
        };
        Ok(Some((Sha256Digest(sha256.finalize().into()), examined)))
    }

    async fn init(&self, key: Option<ObjectKey>) -> Result<Option<Init>, Error> {
        let Some(key) = key else { return Ok(None) };
        let mut last = self.init.lock().await;
        if let Some((_, init)) = last.as_ref().filter(|(last, _)| *last == key) {
            return Ok(init.clone());
        }
        let read = self.store.get(&key).await?.and_then(|section| Init::read(&section));
        Ok(last.insert((key, read)).1.clone())
    }
}

/// Damage for an object that is not media at all.
fn no_media(what: String) -> Damage {
    Damage { offset: 0, length: 0, at_ms: None, duration_ms: None, what, seen: 1 }
}

/// The bytes of an object as they arrive.
#[derive(Default)]
struct Received(Vec<u8>);

impl Extend<Bytes> for Received {
    fn extend<T: IntoIterator<Item = Bytes>>(&mut self, slices: T) {
        slices.into_iter().for_each(|slice| self.0.extend_from_slice(&slice));
    }
}

/// The state of examining a segment.
enum Look {
    /// Looking for its tables.
    Looking(Looking),
    /// Examining its samples and walking its boxes.
    Examining(Box<Examiner>, BoxWalk),
    /// Its samples cannot be examined, for this reason.
    Unexamined(String),
}

struct Looking {
    walk: BoxWalk,
    seen: Vec<u8>,
}

impl Looking {
    fn new() -> Self {
        Self { walk: BoxWalk::new(Limits::default()), seen: Vec::new() }
    }
}

impl Look {
    fn take(self, bytes: &[u8]) -> Self {
        match self {
            Self::Unexamined(why) => Self::Unexamined(why),
            Self::Examining(mut examiner, mut walk) => {
                examiner.feed(bytes);
                match walk.feed(bytes) {
                    Ok(()) => Self::Examining(examiner, walk),
                    Err(error) => Self::Unexamined(error.to_string()),
                }
            }
            Self::Looking(Looking { mut walk, mut seen }) => {
                if let Err(error) = walk.feed(bytes) {
                    return Self::Unexamined(error.to_string());
                }
                seen.extend_from_slice(bytes);
                let tables = walk.kept_moov().map(|(moov, at)| {
                    SampleTables::read(&Bytes::copy_from_slice(moov), at)
                        .map_err(|error| error.to_string())
                });
                match tables {
                    Some(tables) => Self::Looking(Looking { walk, seen }).begin(tables),
                    None if seen.len() > MOST_SEEN => {
                        Self::Unexamined("its sample tables are too far behind".to_owned())
                    }
                    None => Self::Looking(Looking { walk, seen }),
                }
            }
        }
    }

    /// The range to read now to get the tables, if they are needed ahead of their turn.
    fn needed(&self, total: u64) -> Option<MoovBeyond> {
        match self {
            // Data before the media may contain the tables.
            Self::Looking(Looking { walk, .. }) => walk
                .moov_beyond(total)
                .filter(|beyond| walk.has_media() || matches!(beyond, MoovBeyond::Payload(_))),
            _ => None,
        }
    }

    /// Continues with the tables once they have been read.
    fn begin(self, tables: Result<SampleTables, String>) -> Self {
        let Self::Looking(Looking { walk, seen }) = self else { return self };
        let late = || "its sample tables came after the samples".to_owned();
        let examiner =
            tables.and_then(|tables| Examiner::from(Arc::new(tables), 0).ok_or_else(late));
        match examiner {
            Ok(mut examiner) => {
                examiner.feed(&seen);
                Self::Examining(Box::new(examiner), walk)
            }
            Err(why) => Self::Unexamined(why),
        }
    }

    fn finish(self, total: u64) -> Examined {
        match self {
            Self::Unexamined(why) => (Vec::new(), Some(why)),
            Self::Looking(_) => (Vec::new(), Some("it has no tables of samples".to_owned())),
            Self::Examining(examiner, walk) => match walk.finish(Some(total)) {
                Err(error) => (Vec::new(), Some(error.to_string())),
                Ok(structure) => {
                    let examined = examiner.finish(&structure.media, total);
                    let damage = examined.places.iter().map(|place| place.damage(total, 1));
                    (damage.collect(), examined.unexamined)
                }
            },
        }
    }
}
