//! A recording: one item of `live_replay`, and what becomes of it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Damage, Damaged, MediaUrl, Obstacle, ReplayTime, Stored, StoredObject, StoredWhole,
    UnfetchableUrl, WECHAT_RETENTION,
};

/// One item of `live_replay` as received: not yet checked, not yet stored.
#[derive(Clone)]
pub struct Replay {
    /// `media_url`, as text: it can be anything.
    pub media_url: String,
    /// When the piece ended.
    pub create_time: ReplayTime,
    /// When WeChat deletes it.
    pub expire_time: ReplayTime,
}

impl std::fmt::Debug for Replay {
    /// Without the URL's query, which may be a signature.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (url, query) = self.media_url.split_once('?').unwrap_or((&self.media_url, ""));
        f.debug_struct("Replay")
            .field("media_url", &if query.is_empty() { url.to_owned() } else { format!("{url}?…") })
            .field("create_time", &self.create_time)
            .field("expire_time", &self.expire_time)
            .finish()
    }
}

/// Whether a recording is a piece of the broadcast or all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingKind {
    /// 分片: an MP4 piece.
    Segment,
    /// 整场: an HLS playlist of the entire broadcast.
    Whole,
}

/// How a recording ends, or that it has not ended yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// Listed, not stored yet; the next run tries it.
    Pending,
    /// Stored, checked and confirmed.
    Archived,
    /// Gone at the source before it could be stored: lost.
    Expired,
    /// It could not be stored so far; a later run tries again.
    Failed,
    /// What is offered is not a recording this program may or can store, so far; a later run tries
    /// again.
    Rejected,
    /// The pieces cover it (wholes only).
    NotNeeded,
}

/// When a person was told of a loss, where an earlier version did not keep it.
pub const TOLD_BEFORE: Timestamp = Timestamp::UNIX_EPOCH;

/// A recording the ledger knows.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Identity of the file within its room: 8 hex digits of the SHA-256 of the source's path, more
    /// where another file of the room has the same 8.
    pub source_id: String,
    /// A piece or the whole.
    pub kind: RecordingKind,
    /// Where it comes from, `None` where the `media_url` could not be read.
    pub url: Option<MediaUrl>,
    /// What was listed in place of a URL that can be fetched.
    pub unfetchable: Option<UnfetchableUrl>,
    /// Whether the URL had a query that is not known any more, so that WeChat has to be asked anew.
    pub needs_fresh_url: bool,
    /// When the piece ended.
    pub create_time: ReplayTime,
    /// When WeChat deletes it.
    pub expire_time: ReplayTime,
    /// What has become of it.
    pub state: RecordingState,
    /// Why, for every state but `Archived` and `Pending`; what a person can do about it in lines
    /// `hint: …` at its end.
    pub reason: Option<String>,
    /// How many tries have failed since the last backfill.
    pub attempts: u32,
    /// It is not tried again before; `None` for at once. Of no meaning once it has come to its end.
    pub next_try_at: Option<Timestamp>,
    /// The setting that forbids it.
    pub obstacle: Option<Obstacle>,
    /// When a person was told that it is lost; `None` for not yet, and for what is not lost.
    pub told_at: Option<Timestamp>,
    /// What is known of its bytes: always where `state` is `Archived`.
    pub stored: Option<Stored>,
}

impl Recording {
    /// A recording as it is listed: nothing was tried yet.
    pub fn listed(
        source_id: String,
        kind: RecordingKind,
        create_time: ReplayTime,
        expire_time: ReplayTime,
    ) -> Self {
        Self {
            source_id,
            kind,
            url: None,
            unfetchable: None,
            needs_fresh_url: false,
            create_time,
            expire_time,
            state: RecordingState::Pending,
            reason: None,
            attempts: 0,
            next_try_at: None,
            obstacle: None,
            told_at: None,
            stored: None,
        }
    }

    /// The stored segment, where this is one that is archived.
    pub fn segment(&self) -> Option<&StoredObject> {
        match &self.stored {
            Some(Stored::Segment(object)) => Some(object),
            _ => None,
        }
    }

    /// The stored segment, where this is one whose object is intact as far as is known.
    pub fn intact_segment(&self) -> Option<&StoredObject> {
        self.segment().filter(|object| object.damaged.is_none())
    }

    /// What is known of the whole, where this is one whose playlist was read.
    pub fn whole(&self) -> Option<&StoredWhole> {
        match &self.stored {
            Some(Stored::Whole(whole)) => Some(whole),
            _ => None,
        }
    }

    /// What is wrong with what the bucket has of it, where that is damaged.
    pub fn damage(&self) -> Option<String> {
        match self.stored.as_ref()? {
            Stored::Segment(object) => {
                Some(format!("{}: {}", object.key, object.damaged.as_ref()?))
            }
            Stored::Whole(whole) => whole.damaged.first().map(Damaged::to_string),
        }
    }

    /// Where what is stored of it is damaged at its source, in order.
    pub fn source_damage(&self) -> Vec<Damage> {
        match &self.stored {
            Some(Stored::Segment(object)) => object.damage.clone(),
            Some(Stored::Whole(whole)) => whole.source_damage(),
            None => Vec::new(),
        }
    }

    /// Sets what has become of it, and why. What is not final is due at once.
    pub fn end(&mut self, state: RecordingState, reason: impl Into<String>) {
        self.state = state;
        self.reason = Some(reason.into());
        (self.next_try_at, self.obstacle, self.told_at) = (None, None, None);
    }

    /// Why, without the hints: they are for whoever runs this program, and no part of the archive.
    pub fn plain_reason(&self) -> Option<&str> {
        self.reason.as_deref().and_then(|reason| reason.split("\nhint: ").next())
    }

    /// What a person can do about it.
    pub fn hints(&self) -> impl Iterator<Item = &str> {
        self.reason.as_deref().unwrap_or_default().split("\nhint: ").skip(1)
    }

    /// Marks it as archived.
    pub fn archive(&mut self, stored: Stored) {
        self.state = RecordingState::Archived;
        self.reason = None;
        (self.next_try_at, self.obstacle, self.told_at) = (None, None, None);
        self.stored = Some(stored);
    }

    /// When it is deleted: as listed, else 365 days after it was made, where that is known.
    pub fn deadline(&self) -> Option<Timestamp> {
        let made = self.create_time.at;
        self.expire_time.at.or_else(|| made.and_then(|at| at.checked_add(WECHAT_RETENTION).ok()))
    }

    /// Whether WeChat has deleted the file by `now`, for all that is known. Where nothing is known,
    /// it has not.
    pub fn is_past(&self, now: Timestamp) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= now)
    }
}
