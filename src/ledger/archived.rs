//! Figures of the archive: recordings by state, and the bit rate of segments.
//!
//! As in [`super::overview`], each statement is made once for all accounts.

use std::collections::{BTreeMap, HashMap};

use jiff::SignedDuration;

use super::{Error, Ledger, from_json};
use crate::model::Rate;
use crate::model::{AppId, RecordingState, Stored};

/// An account's bit rate is computed from this many stored segments, plus those of one more room.
const SAMPLE: u32 = 20;

pub(super) const STATES: &str = "select appid, state, count(*) as recordings, \
       cast(sum(coalesce(bytes, 0)) as bigint) as bytes from recordings \
     where appid in (select appid from chosen) group by appid, state";

/// How many recordings an account has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordingCounts {
    /// By state, as JSON names it: `archived`, `pending`.
    pub by_state: BTreeMap<String, u64>,
    /// Total bytes of the archived ones.
    pub bytes_archived: u64,
}

/// Stored segments, summed up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SegmentSum {
    bytes: u64,
    millis: u64,
}

impl SegmentSum {
    /// Bytes per second; `None` without any duration.
    pub(super) fn rate(self) -> Option<Rate> {
        Rate::of(self.bytes, SignedDuration::from_millis(i64::try_from(self.millis).ok()?))
    }
}

impl Ledger {
    /// The number of recordings of each account, and how many bytes are archived.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recording_counts(
        &self,
        appids: &[AppId],
    ) -> Result<HashMap<AppId, RecordingCounts>, Error> {
        let mut all: HashMap<AppId, RecordingCounts> = HashMap::new();
        for row in self.of_accounts("count the recordings", STATES, appids).await? {
            let counts = all.entry(row.appid()?).or_default();
            let state = row.text("state")?.unwrap_or_default();
            let name = from_json::<String>(&state, "state")?;
            if from_json::<RecordingState>(&state, "state")? == RecordingState::Archived {
                counts.bytes_archived += row.count("bytes")?;
            }
            *counts.by_state.entry(name).or_default() += row.count("recordings")?;
        }
        Ok(all)
    }

    /// The newest stored segments of each account.
    pub(super) async fn newest_segments(
        &self,
        appids: &[AppId],
    ) -> Result<HashMap<AppId, SegmentSum>, Error> {
        let mut all: HashMap<AppId, SegmentSum> = HashMap::new();
        let sql = newest_segments();
        for row in self.of_accounts("read the bit rate of segments", &sql, appids).await? {
            let stored = from_json(&row.text("stored")?.unwrap_or_default(), "stored object")?;
            if let Stored::Segment(object) = stored
                && let Some(media) = object.media.filter(|media| media.duration_ms > 0)
            {
                let sum = all.entry(row.appid()?).or_default();
                sum.bytes += object.bytes;
                sum.millis += media.duration_ms;
            }
        }
        Ok(all)
    }
}

/// The stored segments of the newest rooms of each account.
pub(super) fn newest_segments() -> String {
    let offset = SAMPLE - 1;
    format!(
        "select recordings.appid, recordings.stored from chosen cross join recordings \
         where recordings.appid = chosen.appid and recordings.kind = 'segment' \
           and recordings.bytes is not null and recordings.room_id >= coalesce( \
             (select newest.room_id from recordings as newest \
              where newest.appid = chosen.appid and newest.kind = 'segment' \
                and newest.bytes is not null \
              order by newest.room_id desc limit 1 offset {offset}), 0)"
    )
}
