//! Rooms from the room list, recorded a page at a time, so that a page is one commit.

use jiff::Timestamp;
use sqlx::AnyConnection;

use super::{Error, Ledger, Phase, count, millis, to_json};
use crate::model::{AppId, Room, RoomId};

/// A room as listed.
#[derive(Debug, Clone, Copy)]
pub struct NewRoom<'a> {
    pub room: &'a Room,
    /// Its phase by its status.
    pub phase: Phase,
    /// The estimated time at which the first of its recordings is deleted.
    pub deadline: Timestamp,
    /// It is not looked at before this time.
    pub next_at: Timestamp,
    /// The rule that leaves it out, if one does.
    pub left_out: Option<&'a str>,
}

impl Ledger {
    /// Records rooms as listed, with the phase that their status implies, in one transaction. Work in
    /// progress or done is kept, with two exceptions: a closed room is due again if its status has
    /// changed, or if it was not asked about because it never went live and now has to be. The deadline
    /// of a room whose replays were never listed is updated from the list. A room that a rule leaves out is
    /// neither due nor unfinished, until none does; rooms that are done or were asked for are not left out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_rooms(&self, rooms: &[NewRoom<'_>]) -> Result<(), Error> {
        if rooms.is_empty() {
            return Ok(());
        }
        let mut texts = Vec::with_capacity(rooms.len());
        for new in rooms {
            texts.push((new, to_json(new.room, "room")?));
        }
        // Everybody uses the same order, so that processes cannot deadlock on each other's rows.
        texts.sort_by_key(|(new, _)| new.room.room_id.0);
        let all = || async {
            let mut transaction = self.pool.begin().await?;
            for (new, json) in &texts {
                record(&mut transaction, new, json).await?;
            }
            transaction.commit().await
        };
        self.attempt("record the rooms of a page", all).await
    }

    /// Like [`Ledger::record_rooms`], for one room.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_room(
        &self,
        room: &Room,
        phase: Phase,
        deadline: Timestamp,
        next_at: Timestamp,
    ) -> Result<(), Error> {
        self.record_rooms(&[NewRoom { room, phase, deadline, next_at, left_out: None }]).await
    }

    /// Records a room of which only the number is known, due at once. A known room is left as it is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_unlisted(
        &self,
        appid: &AppId,
        room: RoomId,
        now: Timestamp,
    ) -> Result<(), Error> {
        let json = to_json(&Room::unlisted(appid.clone(), room), "room")?;
        self.attempt("record a room", || {
            sqlx::query(
                "insert into rooms (appid, room_id, room, phase, deadline_at, next_at) \
                 values ($1, $2, $3, 'due', $4, 0) on conflict (appid, room_id) do nothing",
            )
            .bind(appid.as_str())
            .bind(count(room.0))
            .bind(json.as_str())
            .bind(now.as_millisecond())
            .execute(&self.pool)
        })
        .await?;
        Ok(())
    }
}

async fn record(
    connection: &mut AnyConnection,
    new: &NewRoom<'_>,
    json: &str,
) -> Result<(), sqlx::Error> {
    let NewRoom { room, phase, deadline, next_at, left_out } = *new;
    // Nothing is to be done for it in any case.
    let left_out = left_out.filter(|_| phase != Phase::Closed);
    let first = if left_out.is_some() { Phase::LeftOut } else { phase };
    sqlx::query(
        "insert into rooms \
               (appid, room_id, room, live_status, start_at, phase, deadline_at, next_at, left_out) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
             on conflict (appid, room_id) do update set \
               room = excluded.room, live_status = excluded.live_status, \
               start_at = excluded.start_at, \
               next_at = case when rooms.phase in ('due', 'listed') \
                   and coalesce(rooms.live_status, -1) = coalesce(excluded.live_status, -1) \
                 then rooms.next_at else excluded.next_at end, \
               deadline_at = case when rooms.phase = 'later' or rooms.listed_at is null \
                 then excluded.deadline_at else rooms.deadline_at end, \
               attempts = case when rooms.phase = 'closed' then 0 else rooms.attempts end, \
               left_out = case when rooms.asked_for = 0 and rooms.phase <> 'closed' \
                   and rooms.revision = 0 and not (rooms.phase = 'due' \
                     and rooms.live_status is null and rooms.listed_at is null) \
                 then excluded.left_out end, \
               failure = case when excluded.left_out is not null and rooms.asked_for = 0 \
                   and rooms.revision = 0 \
                 then null else rooms.failure end, \
               phase = case \
                 when excluded.left_out is not null and rooms.asked_for = 0 \
                   and rooms.phase <> 'closed' and rooms.revision = 0 \
                   and not (rooms.phase = 'due' \
                     and rooms.live_status is null and rooms.listed_at is null) \
                   then 'left_out' \
                 when rooms.phase in ('later', 'left_out') then $10 \
                 when rooms.phase = 'closed' and $10 = 'due' \
                   and (excluded.left_out is null or rooms.asked_for = 1) \
                   and (coalesce(rooms.live_status, -1) <> coalesce(excluded.live_status, -1) \
                     or (rooms.listed_at is null and excluded.live_status = 107)) \
                   then 'due' \
                 else rooms.phase end",
    )
    .bind(room.appid.as_str())
    .bind(count(room.room_id.0))
    .bind(json)
    .bind(room.live_status.map(|status| status.0))
    .bind(millis(room.start_time))
    .bind(first.as_str())
    .bind(deadline.as_millisecond())
    .bind(next_at.as_millisecond())
    .bind(left_out)
    .bind(phase.as_str())
    .execute(connection)
    .await?;
    Ok(())
}
