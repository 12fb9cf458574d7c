//! Accounts: how far the room list has been read.

use jiff::Timestamp;
use sqlx::Row as _;

use super::{Error, Ledger, count, failed, millis, moment, uncount};
use crate::model::AppId;

/// What is known about earlier scans of an account's room list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanState {
    /// When the last complete scan began.
    pub scanned_at: Option<Timestamp>,
    /// When the last full scan began.
    pub full_scanned_at: Option<Timestamp>,
    /// The offset at which to resume an unfinished scan; 0 for none.
    pub offset: u64,
    /// When the unfinished scan began.
    pub started_at: Option<Timestamp>,
    /// The start of the oldest room whose status may still change.
    pub oldest_open_start: Option<Timestamp>,
}

/// How urgent an account's work is, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Nothing is known about it: a recording may be deleted today.
    Unknown,
    /// The soonest deadline among its unfinished rooms that can still be saved.
    Pending(Timestamp),
    /// Nothing pending can still be saved.
    NothingUrgent,
}

impl Ledger {
    /// What is known about earlier scans. Rooms that should have started before `since` and never did
    /// are left to the full scans, so that one forgotten room does not turn every scan into a full one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn scan_state(&self, appid: &AppId, since: Timestamp) -> Result<ScanState, Error> {
        const WHAT: &str = "read how far the room list was scanned";
        let oldest = self.read(WHAT, || {
            sqlx::query_scalar(
                "select min(start_at) from rooms \
                 where appid = $1 and start_at >= $2 and (phase = 'later' \
                   or (phase = 'left_out' and live_status in (101, 102, 105, 106)))",
            )
            .bind(appid.as_str())
            .bind(since.as_millisecond())
            .fetch_one(&self.pool)
        });
        let oldest: Option<i64> = oldest.await?;
        let row = self.read(WHAT, || {
            sqlx::query(
                "select scanned_at, full_scanned_at, scan_offset, scan_started_at \
                 from accounts where appid = $1",
            )
            .bind(appid.as_str())
            .fetch_optional(&self.pool)
        });
        let Some(row) = row.await? else {
            return Ok(ScanState { oldest_open_start: moment(oldest), ..ScanState::default() });
        };
        let read = || -> Result<ScanState, sqlx::Error> {
            Ok(ScanState {
                scanned_at: moment(row.try_get("scanned_at")?),
                full_scanned_at: moment(row.try_get("full_scanned_at")?),
                offset: uncount(row.try_get("scan_offset")?),
                started_at: moment(row.try_get("scan_started_at")?),
                oldest_open_start: moment(oldest),
            })
        };
        read().map_err(failed(WHAT))
    }

    /// Records that the scan begun at `started_at` has read the list up to `offset`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn scan_reached(
        &self,
        appid: &AppId,
        started_at: Timestamp,
        offset: u64,
    ) -> Result<(), Error> {
        self.attempt("record how far the room list was scanned", || {
            sqlx::query(
                "insert into accounts (appid, scan_offset, scan_started_at) values ($1, $2, $3) \
             on conflict (appid) do update set \
               scan_offset = excluded.scan_offset, scan_started_at = excluded.scan_started_at",
            )
            .bind(appid.as_str())
            .bind(count(offset))
            .bind(started_at.as_millisecond())
            .execute(&self.pool)
        })
        .await?;
        Ok(())
    }

    /// Records that the scan begun at `started_at` is complete; `full` if it read the whole list.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn scan_finished(
        &self,
        appid: &AppId,
        started_at: Timestamp,
        full: bool,
    ) -> Result<(), Error> {
        self.attempt("record that the room list was scanned", || {
            sqlx::query(
                "insert into accounts (appid, scanned_at, full_scanned_at) values ($1, $2, $3) \
             on conflict (appid) do update set scanned_at = excluded.scanned_at, \
               full_scanned_at = coalesce(excluded.full_scanned_at, accounts.full_scanned_at), \
               scan_offset = 0",
            )
            .bind(appid.as_str())
            .bind(started_at.as_millisecond())
            .bind(millis(full.then_some(started_at)))
            .execute(&self.pool)
        })
        .await?;
        Ok(())
    }

    /// Records a run that has worked on the account, and whether nothing was wrong.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn account_worked(
        &self,
        appid: &AppId,
        at: Timestamp,
        is_well: bool,
    ) -> Result<(), Error> {
        self.attempt("record that the account was worked on", || {
            sqlx::query(
                "insert into accounts (appid, worked_at, finished_at) values ($1, $2, $3) \
                 on conflict (appid) do update set worked_at = excluded.worked_at, \
                   finished_at = coalesce(excluded.finished_at, accounts.finished_at)",
            )
            .bind(appid.as_str())
            .bind(at.as_millisecond())
            .bind(is_well.then_some(at.as_millisecond()))
            .execute(&self.pool)
        })
        .await?;
        Ok(())
    }

    /// How urgent an account's work is, as known at `now`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn standing(&self, appid: &AppId, now: Timestamp) -> Result<Standing, Error> {
        const WHAT: &str = "read how urgent an account is";
        let row = self
            .read(WHAT, || {
                sqlx::query(
                    "select (select min(room_id) from rooms where appid = $1) as known, \
                       (select min(deadline_at) from rooms where appid = $1 \
                         and phase in ('due', 'listed') and deadline_at > $2) as soonest",
                )
                .bind(appid.as_str())
                .bind(now.as_millisecond())
                .fetch_one(&self.pool)
            })
            .await?;
        let known: Option<i64> = row.try_get("known").map_err(failed(WHAT))?;
        let soonest: Option<i64> = row.try_get("soonest").map_err(failed(WHAT))?;
        Ok(match moment(soonest) {
            Some(soonest) => Standing::Pending(soonest),
            None if known.is_none() => Standing::Unknown,
            None => Standing::NothingUrgent,
        })
    }
}
