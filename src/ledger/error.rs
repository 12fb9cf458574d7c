//! What can go wrong with the ledger, whether it is transient, and what a person can do about it.

use sqlx::migrate::MigrateError;

use crate::model::RoomId;
use crate::retry;

/// Why a ledger operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No ledger can be created at its place.
    #[error("failed to open the ledger: {0}")]
    Place(String),
    /// The database could not be opened.
    #[error("failed to open the ledger{}", hint(.0))]
    Open(#[source] sqlx::Error),
    /// Its tables could not be migrated.
    #[error("failed to update the ledger's tables{}", migration_hint(.0))]
    Migrate(#[source] MigrateError),
    /// A newer program has changed the tables so that this one can no longer use them.
    #[error(
        "this ledger needs replay-archiver {min_version} or newer (schema {min_reader}); this is {} \
         (schema {schema})\n\
         hint: a newer version upgraded the ledger: install {min_version} or newer on this machine \
         too; nothing was changed [RA411]",
        env!("CARGO_PKG_VERSION")
    )]
    TooOld {
        /// The lowest schema that may use the ledger.
        min_reader: i64,
        /// The version of the program that came with it.
        min_version: String,
        /// The schema of this program.
        schema: i64,
    },
    /// A statement failed.
    #[error("the ledger failed to {what}{}", hint(source))]
    Statement {
        /// What the statement was to do.
        what: &'static str,
        /// What the database said.
        source: sqlx::Error,
    },
    /// The ledger failed earlier in this run.
    #[error("the ledger has failed; this run writes nothing more to it")]
    Failed,
    /// A stored value cannot be read.
    #[error(
        "the ledger failed to read a stored {what}\n\
         hint: the ledger is damaged: move it away, and the next run rebuilds it from the manifests [RA408]"
    )]
    Unreadable {
        /// The kind of value.
        what: &'static str,
        /// Why not.
        source: serde_json::Error,
    },
    /// A different part is recorded under the same number.
    #[error("the ledger already has a different part {number} of the upload in room {room}")]
    OtherPart {
        room: RoomId,
        /// The part's number.
        number: u32,
    },
    /// Another process has claimed the room.
    #[error(
        "another process reclaimed room {0}\n\
         hint: this process stalled for longer than [ledger] lease; it has changed nothing since, \
         and you need not do anything [RA412]"
    )]
    LeaseLost(RoomId),
    /// The day's calls are used up, except for the merchant's share.
    #[error(
        "the API calls of {day} are used up: {used} of {limit}, {reserve} of them reserved for the \
         shop\n\
         hint: the next run after midnight in Beijing continues; [quota] in the configuration sets \
         the reserve [RA213]"
    )]
    QuotaUsedUp {
        /// The Beijing day.
        day: String,
        /// Calls made by anyone, as far as known.
        used: u64,
        /// Calls allowed.
        limit: u64,
        /// Calls reserved for the merchant.
        reserve: u64,
    },
}

impl retry::Transient for Error {
    fn is_transient(&self) -> bool {
        let source = match self {
            Self::Open(source) | Self::Statement { source, .. } => source,
            // Another process may be creating the same tables, which can cause any error.
            Self::Migrate(
                MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _),
            ) => return !takes_no_writes(source),
            _ => return false,
        };
        match source {
            sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) => true,
            // The connection broke in the middle of a reply.
            sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(error) => error.code().is_some_and(|code| is_passing(&code)),
            _ => false,
        }
    }
}

/// Whether a database's error code stands for a transient error. SQLite's codes are numbers whose
/// lowest byte is the kind of error; PostgreSQL's have five characters.
fn is_passing(code: &str) -> bool {
    const SQLITE_BUSY: u32 = 5;
    const SQLITE_LOCKED: u32 = 6;
    match code.parse::<u32>() {
        Ok(number) if code.len() < 5 => matches!(number & 0xff, SQLITE_BUSY | SQLITE_LOCKED),
        // Serialization failure, deadlock, too many connections, and three ways of shutting down.
        _ => ["40001", "40P01", "53300", "57P01", "57P02", "57P03"].contains(&code),
    }
}

impl Error {
    /// Whether the database has said that it refuses all writes.
    pub(super) fn is_lasting(&self) -> bool {
        match self {
            Self::Open(source) | Self::Statement { source, .. } => takes_no_writes(source),
            _ => false,
        }
    }
}

fn takes_no_writes(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| is_lasting(&code))
}

/// Whether a database's error code means that every write will fail: the disk is full or broken, or the
/// file or server is read-only, damaged, not accessible to this user, or not a database of this
/// program.
fn is_lasting(code: &str) -> bool {
    const SQLITE_PERM: u32 = 3;
    const SQLITE_READONLY: u32 = 8;
    const SQLITE_IOERR: u32 = 10;
    const SQLITE_CORRUPT: u32 = 11;
    const SQLITE_FULL: u32 = 13;
    const SQLITE_CANTOPEN: u32 = 14;
    const SQLITE_NOTADB: u32 = 26;
    match code.parse::<u32>() {
        Ok(number) if code.len() < 5 => matches!(
            number & 0xff,
            SQLITE_PERM
                | SQLITE_READONLY
                | SQLITE_IOERR
                | SQLITE_CORRUPT
                | SQLITE_FULL
                | SQLITE_CANTOPEN
                | SQLITE_NOTADB
        ),
        // PostgreSQL: read-only, insufficient privilege, corruption, and the classes for invalid user
        // or database, insufficient resources, and system errors.
        _ => {
            let is_of = |class: &&str| code.starts_with(class) && !is_passing(code);
            ["25006", "42501", "XX001", "XX002", "28", "3D", "53", "58"].iter().any(is_of)
        }
    }
}

/// What a person can do about a failure of the database, if known.
fn hint(error: &sqlx::Error) -> &'static str {
    known_hint(&error.to_string()).unwrap_or_default()
}

fn migration_hint(error: &MigrateError) -> &'static str {
    known_hint(&error.to_string()).unwrap_or(
        "\nhint: if another version created this ledger, move it away: the next run builds a new \
         one from the manifests in the bucket [RA411]",
    )
}

fn known_hint(text: &str) -> Option<&'static str> {
    let known = [
        (
            "database or disk is full",
            "\nhint: the ledger's disk is full: free some space and run again; nothing archived is \
             affected [RA401]",
        ),
        (
            "No space left",
            "\nhint: the ledger's disk is full: free some space and run again; nothing archived is \
             affected [RA401]",
        ),
        (
            "Input/output error",
            "\nhint: the ledger's disk is failing: check it and run again; nothing archived is \
             affected [RA402]",
        ),
        ("permission denied", "\nhint: grant the ledger's user all rights on its tables [RA403]"),
        (
            "read-only transaction",
            "\nhint: the ledger's server accepts no writes: is it a replica? [RA404]",
        ),
        (
            "unable to open database",
            "\nhint: the folder of the ledger must exist and be writable: see [ledger] in the configuration [RA405]",
        ),
        ("readonly", "\nhint: the ledger's file or folder is read-only for this user [RA406]"),
        (
            "file is not a database",
            "\nhint: the file is not a ledger: move it away, and the next run rebuilds one from \
             the manifests [RA407]",
        ),
        (
            "disk I/O error",
            "\nhint: the ledger's disk is failing or full: check it and run again; nothing \
             archived is affected [RA402]",
        ),
        (
            "malformed",
            "\nhint: the ledger is damaged: move it away, and the next run rebuilds it from the \
             manifests [RA408]",
        ),
        (
            "locked",
            "\nhint: another process holds a lock on the ledger: wait for it to end [RA409]",
        ),
        ("pool timed out", "\nhint: is the database of [ledger] running and reachable? [RA410]"),
        (
            "Connection refused",
            "\nhint: is the database of [ledger] running and reachable? [RA410]",
        ),
    ];
    known.iter().find(|(part, _)| text.contains(part)).map(|(_, hint)| *hint)
}

/// Wraps a database error with what the statement was for.
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

    #[test]
    fn what_every_write_will_meet_is_told_from_what_is_wrong_with_one() {
        let full_and_its_like = ["13", "8", "1032", "10", "778", "4874", "11", "267", "14", "26"];
        let of_a_server = ["53100", "53200", "25006", "58030", "XX001", "28P01", "3D000", "42501"];
        for lasting in full_and_its_like.into_iter().chain(of_a_server) {
            assert!(is_lasting(lasting) && !is_passing(lasting), "{lasting}");
        }
        for other in ["5", "517", "1", "19", "1811", "2067", "53300", "57P01", "23505", "22021"] {
            assert!(!is_lasting(other), "{other}");
        }
    }
}
