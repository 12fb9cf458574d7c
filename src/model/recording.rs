//! A recording: one item of `live_replay` and its state.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Damage, Damaged, MediaUrl, Obstacle, Reason, ReplayTime, Stored, StoredObject, StoredWhole,
    UnfetchableUrl, WECHAT_RETENTION,
};

/// One item of `live_replay` as received: neither checked nor stored.
#[derive(Clone)]
pub struct Replay {
    /// `media_url` as text; it can be anything.
    pub media_url: String,
    /// When the segment ended.
    pub create_time: ReplayTime,
    /// When WeChat deletes it.
    pub expire_time: ReplayTime,
}

impl std::fmt::Debug for Replay {
    /// Leaves out the query of the URL, which may be a signature.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (url, query) = self.media_url.split_once('?').unwrap_or((&self.media_url, ""));
        f.debug_struct("Replay")
            .field("media_url", &if query.is_empty() { url.to_owned() } else { format!("{url}?…") })
            .field("create_time", &self.create_time)
            .field("expire_time", &self.expire_time)
            .finish()
    }
}

/// Whether a recording is a segment of the broadcast or the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingKind {
    /// 分片: a segment, an MP4.
    Segment,
    /// 整场: an HLS playlist of the entire broadcast.
    Whole,
}

/// The state of a recording; final ones say how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// Listed but not stored yet; the next run tries it.
    Pending,
    /// Stored, checked and confirmed.
    Archived,
    /// Deleted at the source before it could be stored: lost.
    Expired,
    /// Could not be stored so far; a later run tries again.
    Failed,
    /// Not a recording that this program may or can store, so far; a later run tries again.
    Rejected,
    /// The segments cover it (wholes only).
    NotNeeded,
}

impl RecordingState {
    /// Its name, as in manifests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Archived => "archived",
            Self::Expired => "expired",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::NotNeeded => "not_needed",
        }
    }
}

/// The time of report of a loss for which an earlier version did not record it.
pub const TOLD_BEFORE: Timestamp = Timestamp::UNIX_EPOCH;

/// A recording in the ledger.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Identifies the file within its room: 8 hex digits of the SHA-256 of the source path, or more if
    /// another file of the room has the same 8.
    pub source_id: String,
    /// A segment or the whole.
    pub kind: RecordingKind,
    /// Where to fetch it; `None` if the `media_url` was unusable.
    pub url: Option<MediaUrl>,
    /// What was listed in place of a usable URL.
    pub unfetchable: Option<UnfetchableUrl>,
    /// Whether the URL had a query that is no longer known, so that WeChat must be asked again.
    pub needs_fresh_url: bool,
    /// When the segment ended.
    pub create_time: ReplayTime,
    /// When WeChat deletes it.
    pub expire_time: ReplayTime,
    /// What has become of it.
    pub state: RecordingState,
    /// Why, for every state except `Archived` and `Pending`.
    pub reason: Option<Reason>,
    /// How many attempts have failed since the last backfill.
    pub attempts: u32,
    /// The earliest time of the next attempt; `None` for at once. Meaningless in a final state.
    pub next_try_at: Option<Timestamp>,
    /// The setting that forbids it.
    pub obstacle: Option<Obstacle>,
    /// When its loss was reported to a person; `None` if not yet, or not lost.
    pub told_at: Option<Timestamp>,
    /// What is known of its bytes: always set in state `Archived`.
    pub stored: Option<Stored>,
}

impl Recording {
    /// A newly listed recording, not attempted yet.
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

    /// The stored segment, if this is an archived one.
    pub fn segment(&self) -> Option<&StoredObject> {
        match &self.stored {
            Some(Stored::Segment(object)) => Some(object),
            _ => None,
        }
    }

    /// The stored segment, if this is one whose object is intact as far as is known.
    pub fn intact_segment(&self) -> Option<&StoredObject> {
        self.segment().filter(|object| object.damaged.is_none())
    }

    /// What is known of the whole, if this is one whose playlist was read.
    pub fn whole(&self) -> Option<&StoredWhole> {
        match &self.stored {
            Some(Stored::Whole(whole)) => Some(whole),
            _ => None,
        }
    }

    /// What is wrong with its objects in the bucket, if damaged.
    pub fn damage(&self) -> Option<String> {
        match self.stored.as_ref()? {
            Stored::Segment(object) => {
                Some(format!("{}: {}", object.key, object.damaged.as_ref()?))
            }
            Stored::Whole(whole) => whole.damaged.first().map(Damaged::to_string),
        }
    }

    /// Where its stored bytes are damaged at the source, in order.
    pub fn source_damage(&self) -> Vec<Damage> {
        match &self.stored {
            Some(Stored::Segment(object)) => object.damage.clone(),
            Some(Stored::Whole(whole)) => whole.source_damage(),
            None => Vec::new(),
        }
    }

    /// What is unusual about its stored copy, although it plays.
    pub fn note(&self) -> Option<&str> {
        match self.stored.as_ref()? {
            Stored::Segment(object) => object.media.as_ref()?.note.as_deref(),
            Stored::Whole(whole) => whole.note.as_deref().filter(|_| whole.is_begun()),
        }
    }

    /// Sets the state and the reason. A state that is not final makes it due at once.
    pub fn end(&mut self, state: RecordingState, reason: impl Into<Reason>) {
        self.state = state;
        self.reason = Some(reason.into());
        (self.next_try_at, self.obstacle, self.told_at) = (None, None, None);
    }

    /// Marks it as archived.
    pub fn archive(&mut self, stored: Stored) {
        self.state = RecordingState::Archived;
        self.reason = None;
        (self.next_try_at, self.obstacle, self.told_at) = (None, None, None);
        self.stored = Some(stored);
    }

    /// When it is deleted: as listed, otherwise 365 days after its creation, if known.
    pub fn deadline(&self) -> Option<Timestamp> {
        let made = self.create_time.at;
        self.expire_time.at.or_else(|| made.and_then(|at| at.checked_add(WECHAT_RETENTION).ok()))
    }

    /// Whether the deadline has passed at `now`. An unknown deadline has not.
    pub fn is_past(&self, now: Timestamp) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= now)
    }
}
