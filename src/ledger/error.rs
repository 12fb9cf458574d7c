//! What can go wrong with the ledger, whether it passes, and what a person can do about it.

use sqlx::migrate::MigrateError;

use crate::model::RoomId;
use crate::retry;

/// Why the ledger could not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database could not be opened.
    #[error("the ledger could not be opened{}", hint(.0))]
    Open(#[source] sqlx::Error),
    /// Its tables could not be brought up to date.
    #[error("the ledger's tables could not be brought up to date{}", migration_hint(.0))]
    Migrate(#[source] MigrateError),
    /// A statement failed.
    #[error("the ledger could not {what}{}", hint(source))]
    Statement {
        /// What the statement was to do.
        what: &'static str,
        /// What the database said.
        source: sqlx::Error,
    },
    /// A value in it cannot be read.
    #[error(
        "the ledger holds a {what} that cannot be read\nhint: the ledger is damaged: move it away, the \
         next run rebuilds one from the manifests"
    )]
    Unreadable {
        /// Which kind of value.
        what: &'static str,
        /// Why not.
        source: serde_json::Error,
    },
    /// A part was recorded before, and was another one.
    #[error("the ledger knows another part {number} of the upload in room {room}")]
    OtherPart {
        /// The room.
        room: RoomId,
        /// The part's number.
        number: u32,
    },
    /// Another process has taken the room over.
    #[error(
        "room {0} was taken over by another process\nhint: this one was held up for longer than \
         [ledger] lease; it changed nothing since, and there is nothing to do"
    )]
    LeaseLost(RoomId),
    /// The day's calls are used up, the merchant's share left alone.
    #[error(
        "the API calls of {day} are used up: {used} of {limit}, {reserve} of them kept for the shop\n\
         hint: the next run after midnight in Beijing goes on; [quota] in the configuration sets the shares"
    )]
    QuotaUsedUp {
        /// The Beijing day.
        day: String,
        /// Calls made, by anyone as far as is known.
        used: u64,
        /// Calls allowed.
        limit: u64,
        /// Calls left to the merchant.
        reserve: u64,
    },
}

impl retry::Transient for Error {
    fn is_transient(&self) -> bool {
        let source = match self {
            Self::Open(source) | Self::Statement { source, .. } => source,
            // Another process may be making the same tables, and any error come of it.
            Self::Migrate(
                MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _),
            ) => return !takes_no_writes(source),
            _ => return false,
        };
        match source {
            sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) => true,
            // A connection that broke in the middle of a reply.
            sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(error) => error.code().is_some_and(|code| is_passing(&code)),
            _ => false,
        }
    }
}

/// Whether a database's code is of an error that passes: SQLite's are numbers, whose lowest byte is
/// the kind of error, and PostgreSQL's have five characters.
fn is_passing(code: &str) -> bool {
    const SQLITE_BUSY: u32 = 5;
    const SQLITE_LOCKED: u32 = 6;
    match code.parse::<u32>() {
        Ok(number) if code.len() < 5 => matches!(number & 0xff, SQLITE_BUSY | SQLITE_LOCKED),
        // Serialization failure, deadlock, too many connections, and three ways of shutting down.
        _ => ["40001", "40P01", "53300", "57P01", "57P02", "57P03"].contains(&code),
    }
}

/// Whether the database has said that it can write nothing: a replica, or a file that is read-only,
/// on a full disk, damaged, or no database.
fn takes_no_writes(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| match code.parse::<u32>() {
        Ok(number) if code.len() < 5 => matches!(number & 0xff, 8 | 11 | 13 | 26),
        _ => ["25006", "53100"].contains(&&*code),
    })
}

/// What a person can do about a failure of the database, where that is known.
fn hint(error: &sqlx::Error) -> &'static str {
    known_hint(&error.to_string()).unwrap_or_default()
}

fn migration_hint(error: &MigrateError) -> &'static str {
    known_hint(&error.to_string()).unwrap_or(
        "\nhint: if another version made this ledger, move it away: the next run makes a new one \
         from the manifests in the bucket",
    )
}

fn known_hint(text: &str) -> Option<&'static str> {
    let known = [
        (
            "database or disk is full",
            "\nhint: the disk under the ledger is full: free some space and run again; nothing archived is affected",
        ),
        (
            "No space left",
            "\nhint: the disk under the ledger is full: free some space and run again; nothing archived is affected",
        ),
        ("read-only transaction", "\nhint: the ledger's server takes no writes: is it a replica?"),
        (
            "unable to open database",
            "\nhint: the folder of the ledger must exist and be writable: see [ledger] in the configuration",
        ),
        ("readonly", "\nhint: the ledger's file or folder is read-only for this user"),
        (
            "file is not a database",
            "\nhint: the file is not a ledger: move it away, the next run rebuilds one from the manifests",
        ),
        (
            "malformed",
            "\nhint: the ledger is damaged: move it away, the next run rebuilds one from the manifests",
        ),
        ("locked", "\nhint: another process holds the ledger: wait for it to end"),
        ("Connection refused", "\nhint: is the database of [ledger] running and reachable?"),
    ];
    known.iter().find(|(part, _)| text.contains(part)).map(|(_, hint)| *hint)
}

/// Turns a database's error into one that says what was to be done.
pub(super) fn failed(what: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |source| Error::Statement { what, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_either_database_that_pass_are_told_from_those_that_last() {
        for passing in ["5", "6", "261", "517", "40001", "40P01", "53300", "57P01"] {
            assert!(is_passing(passing), "{passing}");
        }
        for lasting in ["1", "13", "2067", "23505", "42P01", "10245", ""] {
            assert!(!is_passing(lasting), "{lasting}");
        }
    }
}
