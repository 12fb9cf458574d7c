//! Rooms: what is known about each, and what is pending.

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::reasons::Columns;
use super::{Error, Ledger, count, failed, from_json, millis, moment, to_json, uncount};
use crate::model::{AppId, Reason, Room, RoomId, Sealed, Summary, WECHAT_RETENTION, cover_at};

/// The phase a room is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Not over yet: looked at again when the room list says so.
    Later,
    /// WeChat has to be asked for its replays.
    Due,
    /// Its replays are known but not all stored yet.
    Listed,
    /// Nothing is pending.
    Closed,
    /// The configuration leaves it out.
    LeftOut,
}

impl Phase {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Later => "later",
            Self::Due => "due",
            Self::Listed => "listed",
            Self::Closed => "closed",
            Self::LeftOut => "left_out",
        }
    }

    pub(super) fn parse(text: &str) -> Self {
        match text {
            "due" => Self::Due,
            "listed" => Self::Listed,
            "closed" => Self::Closed,
            "left_out" => Self::LeftOut,
            _ => Self::Later,
        }
    }
}

/// What the ledger knows of a room.
#[derive(Debug, Clone)]
pub struct RoomRecord {
    /// The room as it was last listed.
    pub room: Room,
    pub phase: Phase,
    /// When the first of its recordings is deleted; an estimate until they are listed.
    pub deadline: Timestamp,
    /// It is not looked at again before this time.
    pub next_at: Timestamp,
    /// Consecutive attempts that did not finish the room.
    pub attempts: u32,
    /// `total` of WeChat's last reply, without duplicate rows.
    pub announced: Option<u64>,
    /// When WeChat was last asked.
    pub listed_at: Option<Timestamp>,
    /// Whether no further recordings are expected.
    pub settled: bool,
    /// Its manifest, if any.
    pub sealed: Option<Sealed>,
    /// The last failure.
    pub failure: Option<Reason>,
    /// Since when WeChat answers that it does not know the room; `None` if it listed the room last
    /// time.
    pub unknown_since: Option<Timestamp>,
    /// Whether a survey found that archived objects of the room are missing from the bucket.
    pub is_lacking: bool,
    /// The rule that leaves it out, in [`Phase::LeftOut`].
    pub left_out: Option<String>,
    /// Whether somebody asked for it by its number, so that no rule leaves it out.
    pub is_asked_for: bool,
}

impl RoomRecord {
    /// When the room was first seen. Its deadline is estimated from this if nothing else is known about
    /// its time.
    pub fn first_seen(&self) -> Timestamp {
        self.deadline.saturating_sub(WECHAT_RETENTION).unwrap_or(Timestamp::MIN)
    }
}

pub(super) const COLUMNS: &str = "room, phase, deadline_at, next_at, attempts, announced, listed_at, settled, \
                       status, revision, manifest_sha256, failure, hints, unknown_since, lacking, \
                       archived_bytes, archived_ms, cover, film_tried, left_out, asked_for";

impl Ledger {
    /// Saves what was found out about a leased room, sealed or not.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when `owner` no longer holds the lease of the room.
    pub async fn save_room(&self, record: &RoomRecord, owner: &str) -> Result<(), Error> {
        let (room, json) = (&record.room, to_json(&record.room, "room")?);
        let failure = Columns::of(record.failure.as_ref())?;
        let status = record.sealed.map(|sealed| to_json(&sealed.status, "status")).transpose()?;
        let sha256 = record.sealed.map(|sealed| sealed.sha256.to_string());
        let summary = record.sealed.map(|sealed| sealed.summary).unwrap_or_default();
        let saved = self
            .attempt("save a room", || {
                sqlx::query(
                    "update rooms set phase = $1, deadline_at = $2, next_at = $3, attempts = $4, \
               announced = $5, listed_at = $6, settled = $7, status = $8, revision = $9, \
               manifest_sha256 = $10, failure = $11, room = $12, unknown_since = $13, \
               lacking = $14, hints = $15, archived_bytes = $16, archived_ms = $17, cover = $18, \
               film_tried = $19, left_out = $23 \
             where appid = $20 and room_id = $21 and lease_owner = $22",
                )
                .bind(record.phase.as_str())
                .bind(record.deadline.as_millisecond())
                .bind(record.next_at.as_millisecond())
                .bind(i64::from(record.attempts))
                .bind(record.announced.map(count))
                .bind(millis(record.listed_at))
                .bind(i64::from(record.settled))
                .bind(status.as_deref())
                .bind(record.sealed.map_or(0, |sealed| count(sealed.revision)))
                .bind(sha256.as_deref())
                .bind(failure.message.as_deref())
                .bind(json.as_str())
                .bind(millis(record.unknown_since))
                .bind(i64::from(record.is_lacking))
                .bind(failure.hints.as_deref())
                .bind(summary.bytes.map(count))
                .bind(summary.duration_ms.map(count))
                .bind(summary.cover)
                .bind(summary.is_stitched.map(i64::from))
                .bind(room.appid.as_str())
                .bind(count(room.room_id.0))
                .bind(owner)
                .bind(record.left_out.as_deref().filter(|_| record.phase == Phase::LeftOut))
                .execute(&self.pool)
            })
            .await?;
        super::leases::owned(room.room_id, saved.rows_affected())
    }

    /// Deletes a leased room of which only the number was ever known.
    ///
    /// # Errors
    /// When the database fails. A room that somebody else has claimed since is left alone, and so is
    /// one that has recordings or a manifest.
    pub async fn forget_room(&self, appid: &AppId, room: RoomId, owner: &str) -> Result<(), Error> {
        self.attempt("forget a room", || {
            sqlx::query(
                "delete from rooms where appid = $1 and room_id = $2 and lease_owner = $3 \
                   and status is null and not exists (select 1 from recordings \
                     where recordings.appid = rooms.appid \
                       and recordings.room_id = rooms.room_id)",
            )
            .bind(appid.as_str())
            .bind(count(room.0))
            .bind(owner)
            .execute(&self.pool)
        })
        .await?;
        Ok(())
    }

    /// The rooms that nobody is working on and that were due by `by`, or wait for another attempt after
    /// a failure: what a run leaves to later ones.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn pending_rooms(&self, appid: &AppId, by: Timestamp) -> Result<Vec<RoomId>, Error> {
        let is_free = self.lease_clock.is_free();
        let sql = format!(
            "select room_id from rooms \
             where appid = $1 and {is_free} \
               and (phase = 'listed' \
                 or (phase = 'due' and (next_at <= $2 or failure is not null))) \
             order by room_id"
        );
        let pending_rooms: Vec<i64> = self
            .read("read the pending rooms", || {
                sqlx::query_scalar(sqlx::AssertSqlSafe(sql.clone()))
                    .bind(appid.as_str())
                    .bind(by.as_millisecond())
                    .fetch_all(&self.pool)
            })
            .await?;
        Ok(pending_rooms.into_iter().map(|room| RoomId(uncount(room))).collect())
    }

    /// The rooms that WeChat could not be asked about and that are not tried again by `by`, with the
    /// reason and the time of the next attempt.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn failing(
        &self,
        appid: &AppId,
        by: Timestamp,
    ) -> Result<Vec<(RoomId, Reason, Timestamp)>, Error> {
        const WHAT: &str = "read what failed";
        let rows = self.read(WHAT, || {
            sqlx::query(
                "select room_id, failure, hints, next_at from rooms \
                 where appid = $1 and failure is not null and next_at > $2 order by room_id",
            )
            .bind(appid.as_str())
            .bind(by.as_millisecond())
            .fetch_all(&self.pool)
        });
        let read = |row: &AnyRow| -> Result<_, sqlx::Error> {
            let next_at = moment(row.try_get("next_at")?).unwrap_or(Timestamp::UNIX_EPOCH);
            let failure =
                Columns { message: row.try_get("failure")?, hints: row.try_get("hints")? };
            Ok((RoomId(uncount(row.try_get("room_id")?)), failure, next_at))
        };
        let read = |row| -> Result<_, Error> {
            let (room, failure, next_at) = read(row).map_err(failed(WHAT))?;
            Ok((room, failure.read()?.unwrap_or_default(), next_at))
        };
        rows.await?.iter().map(read).collect()
    }

    /// How many rooms of an account are due by `by`, including those that somebody is working on.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn due_rooms(&self, appid: &AppId, by: Timestamp) -> Result<u64, Error> {
        let due: i64 = self
            .read("count the rooms that are due", || {
                sqlx::query_scalar(
                    "select count(*) from rooms \
                     where appid = $1 and phase in ('due', 'listed') and next_at <= $2",
                )
                .bind(appid.as_str())
                .bind(by.as_millisecond())
                .fetch_one(&self.pool)
            })
            .await?;
        Ok(uncount(due))
    }

    /// What is known about one room.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn room(&self, appid: &AppId, room: RoomId) -> Result<Option<RoomRecord>, Error> {
        let sql = format!("select {COLUMNS} from rooms where appid = $1 and room_id = $2");
        let row = self
            .read("read a room", || {
                sqlx::query(sqlx::AssertSqlSafe(sql.clone()))
                    .bind(appid.as_str())
                    .bind(count(room.0))
                    .fetch_optional(&self.pool)
            })
            .await?;
        row.as_ref().map(read_room).transpose()
    }

    /// Whether the ledger has any room of an account.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_rooms(&self, appid: &AppId) -> Result<bool, Error> {
        let any: Option<i64> = self
            .read("read whether there are rooms", || {
                sqlx::query_scalar("select room_id from rooms where appid = $1 limit 1")
                    .bind(appid.as_str())
                    .fetch_optional(&self.pool)
            })
            .await?;
        Ok(any.is_some())
    }

    /// The accounts of which the ledger has rooms.
    ///
    /// # Errors
    /// When the database fails.
    #[cfg(feature = "sandbox")]
    pub async fn with_rooms(&self) -> Result<Vec<AppId>, Error> {
        let appids = self.read("read whose rooms there are", || {
            sqlx::query_scalar::<_, String>("select distinct appid from rooms order by appid")
                .fetch_all(&self.pool)
        });
        Ok(appids.await?.iter().filter_map(|appid| appid.parse().ok()).collect())
    }

    /// Every room of an account, in ascending order of number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rooms(&self, appid: &AppId) -> Result<Vec<RoomRecord>, Error> {
        let sql = format!("select {COLUMNS} from rooms where appid = $1 order by room_id");
        let rows = self
            .read("read the rooms", || {
                sqlx::query(sqlx::AssertSqlSafe(sql.clone()))
                    .bind(appid.as_str())
                    .fetch_all(&self.pool)
            })
            .await?;
        rows.iter().map(read_room).collect()
    }
}

pub(super) fn read_room(row: &AnyRow) -> Result<RoomRecord, Error> {
    const WHAT: &str = "read a room";
    let text = |name: &str| row.try_get::<Option<String>, _>(name).map_err(failed(WHAT));
    let number = |name: &str| row.try_get::<Option<i64>, _>(name).map_err(failed(WHAT));
    let sealed = match (text("status")?, text("manifest_sha256")?) {
        (Some(status), Some(sha256)) => Some(Sealed {
            status: from_json(&status, "status")?,
            revision: uncount(number("revision")?.unwrap_or(0)),
            sha256: from_json(&format!("{sha256:?}"), "digest")?,
            summary: Summary {
                bytes: number("archived_bytes")?.map(uncount),
                duration_ms: number("archived_ms")?.map(uncount),
                cover: text("cover")?.as_deref().and_then(cover_at),
                is_stitched: number("film_tried")?.map(|tried| tried == 1),
            },
        }),
        _ => None,
    };
    Ok(RoomRecord {
        room: from_json(&text("room")?.unwrap_or_default(), "room")?,
        phase: Phase::parse(&text("phase")?.unwrap_or_default()),
        deadline: moment(number("deadline_at")?).unwrap_or(Timestamp::MAX),
        next_at: moment(number("next_at")?).unwrap_or(Timestamp::UNIX_EPOCH),
        attempts: number("attempts")?.and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
        announced: number("announced")?.map(uncount),
        listed_at: moment(number("listed_at")?),
        settled: number("settled")? == Some(1),
        sealed,
        failure: Columns { message: text("failure")?, hints: text("hints")? }.read()?,
        unknown_since: moment(number("unknown_since")?),
        is_lacking: number("lacking")? == Some(1),
        left_out: text("left_out")?,
        is_asked_for: number("asked_for")? == Some(1),
    })
}
