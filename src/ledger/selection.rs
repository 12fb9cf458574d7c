//! Which rooms the configuration leaves out.

use std::collections::{BTreeMap, HashMap};

use super::{Error, Ledger, Phase, count};
use crate::model::{AppId, RoomId};

/// What a changed selection means for a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// It is left out, by this rule.
    Out(String),
    /// It was left out, and is in this phase from now on.
    In(Phase),
}

const LEFT_OUT: &str = "select appid, left_out, count(*) as rooms from rooms \
     where appid in (select appid from chosen) and left_out is not null group by appid, left_out";

const SELECTIONS: &str = "select appid, selection from accounts \
     where appid in (select appid from chosen) and selection is not null";

impl Ledger {
    /// By which selection, as text, the rooms of each account were chosen last; accounts without one are missing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn selections(&self, appids: &[AppId]) -> Result<HashMap<AppId, String>, Error> {
        let rows = self.of_accounts("read how rooms were selected", SELECTIONS, appids).await?;
        let read = |row: &super::overview::AccountRow| {
            Ok((row.appid()?, row.text("selection")?.unwrap_or_default()))
        };
        rows.iter().map(read).collect()
    }

    /// Records by which selection the rooms of the account have been chosen.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn selected_by(&self, appid: &AppId, selection: &str) -> Result<(), Error> {
        self.attempt("record how rooms are selected", || {
            sqlx::query(
                "insert into accounts (appid, selection) values ($1, $2) \
                 on conflict (appid) do update set selection = excluded.selection",
            )
            .bind(appid.as_str())
            .bind(selection)
            .execute(&self.pool)
        })
        .await?;
        Ok(())
    }

    /// Leaves rooms out, or takes in what was left out before, in one transaction. Leaves alone what is done, and
    /// what somebody asked for by number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn choose_rooms(
        &self,
        appid: &AppId,
        choices: &[(RoomId, Choice)],
    ) -> Result<(), Error> {
        if choices.is_empty() {
            return Ok(());
        }
        let all = || async {
            let mut transaction = self.pool.begin().await?;
            for (room, choice) in choices {
                let query = match choice {
                    Choice::Out(rule) => sqlx::query(
                        "update rooms set phase = 'left_out', left_out = $1, failure = null, \
                           hints = null \
                         where appid = $2 and room_id = $3 and asked_for = 0 and phase <> 'closed' \
                           and revision = 0",
                    )
                    .bind(rule.as_str()),
                    Choice::In(phase) => sqlx::query(
                        "update rooms set phase = $1, left_out = null, next_at = 0, attempts = 0 \
                         where appid = $2 and room_id = $3 and phase = 'left_out'",
                    )
                    .bind(phase.as_str()),
                };
                let query = query.bind(appid.as_str()).bind(count(room.0));
                query.execute(&mut *transaction).await?;
            }
            transaction.commit().await
        };
        self.attempt("select the rooms", all).await
    }

    /// Records that somebody asks for a room by its number: no rule leaves it out from now on.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ask_for(&self, appid: &AppId, room: RoomId) -> Result<(), Error> {
        self.attempt("record that a room is asked for", || {
            sqlx::query(
                "update rooms set asked_for = 1, left_out = null, \
                   phase = case when phase = 'left_out' then 'due' else phase end \
                 where appid = $1 and room_id = $2",
            )
            .bind(appid.as_str())
            .bind(count(room.0))
            .execute(&self.pool)
        })
        .await?;
        Ok(())
    }

    /// How many rooms of each account each rule leaves out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn left_out(
        &self,
        appids: &[AppId],
    ) -> Result<HashMap<AppId, BTreeMap<String, u64>>, Error> {
        let mut all: HashMap<AppId, BTreeMap<String, u64>> = HashMap::new();
        for row in self.of_accounts("count the rooms that are left out", LEFT_OUT, appids).await? {
            let rule = row.text("left_out")?.unwrap_or_default();
            all.entry(row.appid()?).or_default().insert(rule, row.count("rooms")?);
        }
        Ok(all)
    }
}
