//! What the bucket should contain, for the survey of it: see the stage `survey`.

use sqlx::{AnyConnection, Row as _};

use super::{Error, Ledger, count, failed, uncount};
use crate::model::{AppId, RoomId};

/// A sealed room, and what the bucket should contain of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealing {
    pub room: RoomId,
    /// Total bytes of its archived segments.
    pub segment_bytes: u64,
    /// Total bytes of the chunks of its wholes where the ledger knows them, including wholes that are
    /// only partly archived.
    pub chunk_bytes: u64,
    /// The playlists of its wholes, relative to the room's folder: only the first and the last, because
    /// a room hardly ever has more than one.
    pub playlists: Vec<String>,
}

/// How far a survey of the bucket got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// It covered everything up to and including this room; `None` for everything.
    Room(Option<RoomId>),
    /// It only covered selected rooms.
    Nowhere,
}

/// The number of rooms that one statement makes due.
const AT_ONCE: usize = 500;

impl Ledger {
    /// The rooms with a manifest after `after`, up to `upto`, at most `most` of them. They are ordered
    /// by the text of their numbers, as the bucket lists their folders.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sealed_rooms(
        &self,
        appid: &AppId,
        after: Option<RoomId>,
        upto: Option<RoomId>,
        most: u32,
    ) -> Result<Vec<Sealing>, Error> {
        const WHAT: &str = "read which rooms are archived";
        let after = after.map_or_else(String::new, |room| room.to_string());
        // Sorts after every number, whatever the database's collation.
        let upto = upto.map_or_else(|| "a".to_owned(), |room| room.to_string());
        let sql = stretch(most);
        let rows = self.read(WHAT, || {
            sqlx::query(sqlx::AssertSqlSafe(sql.clone()))
                .bind(appid.as_str())
                .bind(after.as_str())
                .bind(upto.as_str())
                .fetch_all(&self.pool)
        });
        let rows = rows.await?;
        let read = |row: &sqlx::any::AnyRow| {
            let number =
                |name| row.try_get::<Option<i64>, _>(name).map(|n| uncount(n.unwrap_or(0)));
            let text = |name| row.try_get::<Option<String>, _>(name);
            let (segment_bytes, chunk_bytes) = (number("segments")?, number("chunks")?);
            let (first, last) = (text("first_playlist")?, text("last_playlist")?);
            let mut playlists: Vec<_> = first.into_iter().chain(last).collect();
            playlists.dedup();
            Ok(Sealing { room: RoomId(number("room_id")?), segment_bytes, chunk_bytes, playlists })
        };
        rows.iter().map(read).collect::<Result<_, _>>().map_err(failed(WHAT))
    }

    /// The rooms whose segments can be stitched and were not, newest first: no further recordings are
    /// expected of them, and none is pending.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rooms_to_stitch(&self, appid: &AppId) -> Result<Vec<RoomId>, Error> {
        const WHAT: &str = "read which rooms have no film";
        let rows = self.read(WHAT, || {
            sqlx::query_scalar::<_, i64>(
                "select room_id from rooms where appid = $1 and status is not null \
                   and settled = 1 and coalesce(film_tried, 0) = 0 \
                   and exists (select 1 from recordings where recordings.appid = rooms.appid \
                     and recordings.room_id = rooms.room_id and kind = 'segment' \
                     and state = '\"archived\"') \
                   and not exists (select 1 from recordings where recordings.appid = rooms.appid \
                     and recordings.room_id = rooms.room_id and state = '\"pending\"') \
                 order by room_id desc",
            )
            .bind(appid.as_str())
            .fetch_all(&self.pool)
        });
        Ok(rows.await?.into_iter().map(|room| RoomId(uncount(room))).collect())
    }

    /// Makes every room due at once whose manifest or objects the survey found missing, except rooms
    /// that somebody is working on, and records how far the survey got. All in one transaction, so that
    /// the next survey does not skip a finding.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn survey_ended(
        &self,
        appid: &AppId,
        lacking: &[RoomId],
        reached: Reached,
    ) -> Result<(), Error> {
        let is_free = self.lease_clock.is_free();
        let statement = |rooms: &[RoomId]| {
            let rooms: Vec<_> = rooms.iter().map(RoomId::to_string).collect();
            format!(
                "update rooms set lacking = 1, next_at = 0, attempts = 0, phase = case \
                   when listed_at is not null and settled = 1 then 'listed' else 'due' end \
                 where appid = $1 and room_id in ({}) and {is_free}",
                rooms.join(", ")
            )
        };
        self.attempt("record what the bucket lacks", || async {
            let mut transaction = self.pool.begin().await?;
            for rooms in lacking.chunks(AT_ONCE) {
                sqlx::query(sqlx::AssertSqlSafe(statement(rooms)))
                    .bind(appid.as_str())
                    .persistent(false)
                    .execute(&mut *transaction)
                    .await?;
            }
            if let Reached::Room(room) = reached {
                note_reached(&mut transaction, appid, room).await?;
            }
            transaction.commit().await
        })
        .await
    }

    /// The room that the last survey of the bucket got to.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn surveyed(&self, appid: &AppId) -> Result<Option<RoomId>, Error> {
        let room = self.read("read how far the bucket was surveyed", || {
            sqlx::query_scalar::<_, Option<i64>>(
                "select surveyed_room from accounts where appid = $1",
            )
            .bind(appid.as_str())
            .fetch_optional(&self.pool)
        });
        Ok(room.await?.flatten().map(|room| RoomId(uncount(room))))
    }
}

async fn note_reached(
    connection: &mut AnyConnection,
    appid: &AppId,
    room: Option<RoomId>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into accounts (appid, surveyed_room) values ($1, $2) \
         on conflict (appid) do update set surveyed_room = excluded.surveyed_room",
    )
    .bind(appid.as_str())
    .bind(room.map(|room| count(room.0)))
    .execute(connection)
    .await
    .map(drop)
}

fn stretch(most: u32) -> String {
    let of_room = |what: &str, which: &str| {
        format!(
            "(select {what} from recordings \
               where recordings.appid = rooms.appid and recordings.room_id = rooms.room_id \
                 and {which})"
        )
    };
    let bytes = "cast(sum(bytes) as bigint)";
    let segment = "kind = 'segment' and bytes is not null and state = '\"archived\"'";
    let segments = of_room(bytes, segment);
    let chunks = of_room(bytes, "kind = 'whole' and bytes is not null");
    let [first, last] =
        ["min", "max"].map(|which| of_room(&format!("{which}(playlist)"), "playlist is not null"));
    format!(
        "select room_id, {segments} as segments, {chunks} as chunks, \
           {first} as first_playlist, {last} as last_playlist \
         from rooms where appid = $1 and status is not null \
           and cast(room_id as text) > $2 and cast(room_id as text) <= $3 \
         order by cast(room_id as text) limit {most}"
    )
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Row as _};

    use super::*;

    #[tokio::test]
    async fn a_stretch_of_rooms_is_read_without_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("ledger.sqlite").display());
        let ledger = Ledger::open(&url).await.unwrap();
        let sql = format!("explain query plan {}", stretch(10));
        let rows = sqlx::query(AssertSqlSafe(sql)).bind("wx1").bind("1").bind("2");
        let rows = rows.fetch_all(&ledger.pool).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        let uses =
            |line: &String| line.starts_with("SEARCH rooms") && line.contains("rooms_by_key");
        assert!(plan.iter().any(uses), "{plan:#?}");
        assert!(!plan.iter().any(|line| line.contains("TEMP B-TREE")), "{plan:#?}");
    }
}
