//! Recordings: what was listed for a room, and what became of it.

use std::collections::BTreeMap;

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::checkpoints::forget;
use super::leases::fence;
use super::reasons::Columns;
use super::{Error, Ledger, count, failed, from_json, millis, moment, to_json};
use crate::model::{
    AppId, MediaUrl, Obstacle, Recording, RecordingKind, RecordingState, ReplayTime, RoomId,
    UnfetchableUrl, sum,
};

/// Marks a listed text that is no fetchable URL, so that every reader can tell that it is not one.
const UNFETCHABLE: &str = "unfetchable:";

impl Ledger {
    /// Saves the state of a recording. The query of a URL is not stored, because it may be a signature.
    /// If the recording is finished, its checkpoint is deleted. The record that a person was told of a
    /// loss stays.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when `owner` no longer holds the lease of the room.
    pub async fn save_recording(
        &self,
        appid: &AppId,
        room: RoomId,
        recording: &Recording,
        owner: &str,
    ) -> Result<(), Error> {
        let stored = recording.stored.as_ref().map(|stored| to_json(stored, "stored object"));
        let texts = Texts {
            url: match (&recording.url, &recording.unfetchable) {
                (Some(url), _) => Some(url.without_query().to_string()),
                (None, Some(listed)) => Some(format!("{UNFETCHABLE}{}", listed.as_str())),
                (None, None) => None,
            },
            state: to_json(&recording.state, "state")?,
            stored: stored.transpose()?,
            obstacle: recording.obstacle.as_ref().map(Obstacle::to_string),
            reason: Columns::of(recording.reason.as_ref())?,
        };
        let save = || self.try_save_recording(appid, room, (recording, &texts), owner);
        self.attempt("save a recording", save).await?
    }

    async fn try_save_recording(
        &self,
        appid: &AppId,
        room: RoomId,
        (recording, texts): (&Recording, &Texts),
        owner: &str,
    ) -> Result<Result<(), Error>, sqlx::Error> {
        let had_query =
            recording.needs_fresh_url || recording.url.as_ref().is_some_and(MediaUrl::has_query);
        let mut transaction = self.pool.begin().await?;
        if let Err(lost) = fence(&mut transaction, appid, room, owner).await? {
            return Ok(Err(lost));
        }
        sqlx::query(
            "insert into recordings (appid, room_id, source_id, kind, media_url, had_query, \
               create_raw, create_at, expire_raw, expire_at, state, reason, attempts, stored, bytes, \
               next_try_at, obstacle, told_at, playlist, hints) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, \
               $18, $19, $20) \
             on conflict (appid, room_id, source_id) do update set \
               kind = excluded.kind, media_url = excluded.media_url, \
               had_query = excluded.had_query, create_raw = excluded.create_raw, \
               create_at = excluded.create_at, expire_raw = excluded.expire_raw, \
               expire_at = excluded.expire_at, state = excluded.state, \
               reason = excluded.reason, attempts = excluded.attempts, stored = excluded.stored, \
               bytes = excluded.bytes, next_try_at = excluded.next_try_at, \
               obstacle = excluded.obstacle, playlist = excluded.playlist, hints = excluded.hints, \
               told_at = case when excluded.state = '\"expired\"' \
                 then coalesce(recordings.told_at, excluded.told_at) end",
        )
        .bind(appid.as_str())
        .bind(count(room.0))
        .bind(&recording.source_id)
        .bind(kind_name(recording.kind))
        .bind(texts.url.as_deref())
        .bind(i64::from(had_query))
        .bind(recording.create_time.raw.as_deref())
        .bind(millis(recording.create_time.at))
        .bind(recording.expire_time.raw.as_deref())
        .bind(millis(recording.expire_time.at))
        .bind(texts.state.as_str())
        .bind(texts.reason.message.as_deref())
        .bind(i64::from(recording.attempts))
        .bind(texts.stored.as_deref())
        .bind(stored_bytes(recording).map(count))
        .bind(millis(recording.next_try_at))
        .bind(texts.obstacle.as_deref())
        .bind(millis(recording.told_at.filter(|_| recording.state == RecordingState::Expired)))
        .bind(recording.whole().and_then(|whole| whole.key.as_deref()))
        .bind(texts.reason.hints.as_deref())
        .execute(&mut *transaction)
        .await?;
        if !recording.is_pending() {
            forget(&mut transaction, appid, room, &recording.source_id).await?;
        }
        transaction.commit().await.map(Ok)
    }

    /// One URL per host that pending recordings of an account are fetched from, among the last ten
    /// thousand recordings listed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn hosts_to_fetch_from(&self, appid: &AppId) -> Result<Vec<MediaUrl>, Error> {
        let rows = self
            .read("read the media hosts of an account", || {
                sqlx::query(
                    "select media_url from recordings \
                     where appid = $1 and media_url is not null and state in ($2, $3, $4) \
                     order by room_id desc limit 10000",
                )
                .bind(appid.as_str())
                .bind("\"pending\"")
                .bind("\"failed\"")
                .bind("\"rejected\"")
                .fetch_all(&self.pool)
            })
            .await?;
        let mut hosts = BTreeMap::new();
        for row in rows {
            let url: String = row.try_get("media_url").map_err(failed("read a media host"))?;
            if let Ok(url) = MediaUrl::parse(&url) {
                hosts.entry(url.host()).or_insert(url);
            }
        }
        Ok(hosts.into_values().collect())
    }

    /// The recordings of a room, oldest first; those of unknown time come last.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recordings(&self, appid: &AppId, room: RoomId) -> Result<Vec<Recording>, Error> {
        let rows = self
            .read("read the recordings of a room", || {
                sqlx::query(
            "select source_id, kind, media_url, had_query, create_raw, create_at, expire_raw, \
               expire_at, state, reason, hints, attempts, next_try_at, obstacle, told_at, stored from recordings \
             where appid = $1 and room_id = $2 \
             order by case when create_at is null then 1 else 0 end, create_at, source_id",
        )
        .bind(appid.as_str())
        .bind(count(room.0))
        .fetch_all(&self.pool)
            })
            .await?;
        rows.iter().map(read_recording).collect()
    }
}

/// Its bytes in the bucket, if it is archived.
fn stored_bytes(recording: &Recording) -> Option<u64> {
    let whole = recording.whole().filter(|whole| whole.key.is_some());
    let chunks = whole.map(|whole| sum(whole.chunks.iter().map(|chunk| chunk.bytes)));
    recording.segment().map(|object| object.bytes).or(chunks)
}

/// The columns of a recording that are texts.
struct Texts {
    url: Option<String>,
    state: String,
    stored: Option<String>,
    obstacle: Option<String>,
    reason: Columns,
}

fn kind_name(kind: RecordingKind) -> &'static str {
    match kind {
        RecordingKind::Segment => "segment",
        RecordingKind::Whole => "whole",
    }
}

fn read_recording(row: &AnyRow) -> Result<Recording, Error> {
    const WHAT: &str = "read a recording";
    let text = |name: &str| row.try_get::<Option<String>, _>(name).map_err(failed(WHAT));
    let number = |name: &str| row.try_get::<Option<i64>, _>(name).map_err(failed(WHAT));
    let time = |raw: &str, at: &str| -> Result<ReplayTime, Error> {
        Ok(ReplayTime { raw: text(raw)?, at: moment(number(at)?) })
    };
    let kind = match text("kind")?.as_deref() {
        Some("whole") => RecordingKind::Whole,
        _ => RecordingKind::Segment,
    };
    let state: RecordingState = from_json(&text("state")?.unwrap_or_default(), "state")?;
    let listed = text("media_url")?;
    let unfetchable = listed.as_deref().and_then(|listed| listed.strip_prefix(UNFETCHABLE));
    Ok(Recording {
        source_id: text("source_id")?.unwrap_or_default(),
        kind,
        unfetchable: unfetchable.map(UnfetchableUrl::kept),
        url: listed.as_deref().and_then(|url| MediaUrl::parse(url).ok()),
        needs_fresh_url: number("had_query")? == Some(1),
        create_time: time("create_raw", "create_at")?,
        expire_time: time("expire_raw", "expire_at")?,
        state,
        reason: Columns { message: text("reason")?, hints: text("hints")? }.read()?,
        attempts: number("attempts")?.and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
        next_try_at: moment(number("next_try_at")?),
        told_at: moment(number("told_at")?),
        obstacle: text("obstacle")?.and_then(|text| text.parse().ok()),
        stored: text("stored")?.map(|stored| from_json(&stored, "stored object")).transpose()?,
    })
}
