//! Which programs may use a ledger that other versions use too.
//!
//! A program's *schema* is the number of the newest migration that it knows. The ledger records the lowest
//! schema that may use it (`min_reader`), so that machines can be upgraded one after the other: a version
//! first only adds to the tables (expand), which an older program does not notice, and a later one takes away
//! (contract) and raises `min_reader`. A ledger without that record was made before migration 20, or is the
//! database of another program.

use sqlx::migrate::Migrator;
use sqlx::{AnyPool, Row as _};

use super::error::Error;

/// Every migration, oldest first.
fn migrations() -> Migrator {
    sqlx::migrate!("src/ledger/migrations")
}

/// Brings the tables up to date, unless the ledger says that this program is too old for it. Migrations that
/// only a newer program knows stay as they are.
///
/// # Errors
/// [`Error::TooOld`], before anything is changed; or when the database belongs to another program or refuses.
pub(super) async fn migrate(pool: &AnyPool, is_sqlite: bool) -> Result<(), Error> {
    let mut migrator = migrations();
    let newest = migrator.iter().map(|migration| migration.version).max().unwrap_or_default();
    if may_use(pool, is_sqlite, newest).await? {
        migrator.set_ignore_missing(true);
    }
    migrator.run(pool).await.map_err(Error::Migrate)?;
    // A newer program may have come in between.
    may_use(pool, is_sqlite, newest).await.map(drop)
}

/// Whether the ledger says which programs may use it; this one's schema is `schema`.
///
/// # Errors
/// [`Error::TooOld`] if this one may not, or when the database refuses.
async fn may_use(pool: &AnyPool, is_sqlite: bool, schema: i64) -> Result<bool, Error> {
    match least(pool, is_sqlite).await.map_err(Error::Open)? {
        Some((min_reader, min_version)) if schema < min_reader => {
            Err(Error::TooOld { min_reader, min_version, schema })
        }
        least => Ok(least.is_some()),
    }
}

/// The lowest schema that may use the ledger, and the version of the program that came with it; `None` if
/// the ledger does not say so.
async fn least(pool: &AnyPool, is_sqlite: bool) -> Result<Option<(i64, String)>, sqlx::Error> {
    let is_recorded = match is_sqlite {
        true => "select count(*) from sqlite_master where name = 'ledger_schema'",
        false => "select count(to_regclass('ledger_schema'))",
    };
    if sqlx::query_scalar::<_, i64>(is_recorded).fetch_one(pool).await? == 0 {
        return Ok(None);
    }
    let row =
        sqlx::query("select min_reader, min_version from ledger_schema order by min_reader desc")
            .fetch_optional(pool)
            .await?;
    row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The statements of a migration, without comments, in lower case.
    fn statements(sql: &str) -> String {
        let lines = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
        lines.collect::<Vec<_>>().join(" ").to_lowercase()
    }

    /// Whether older programs may fail on tables that it changed, or would undo it.
    fn takes_away(statements: &str) -> bool {
        let words: Vec<_> = statements.split_whitespace().collect();
        let adds = |words: &[&str]| words[1] == "table" && words[3] == "add";
        words.iter().any(|word| matches!(*word, "drop" | "rename" | "delete"))
            || words.windows(4).any(|words| words[0] == "alter" && !adds(words))
    }

    #[test]
    fn a_migration_that_takes_something_away_says_which_programs_may_still_use_the_ledger() {
        for migration in migrations().iter().filter(|migration| migration.version > 20) {
            let statements = statements(migration.sql.as_str());
            assert!(
                !takes_away(&statements)
                    || statements.contains("update ledger_schema set min_reader"),
                "migration {} changes what older programs use: set min_reader, as 0020 describes",
                migration.version
            );
        }
        for (sql, takes) in [
            ("alter table rooms add column x bigint; -- drop nothing", false),
            ("create table t (a bigint); create index i on t (a)", false),
            ("update rooms set x = 1 where x is null", false),
            ("ALTER TABLE rooms\n drop column x", true),
            ("alter table rooms rename column x to y", true),
            ("alter table rooms alter column x type text", true),
            ("drop index i", true),
            ("delete from rooms", true),
        ] {
            assert_eq!(takes_away(&statements(sql)), takes, "{sql}");
        }
    }

    #[cfg(feature = "sandbox")]
    #[tokio::test]
    async fn a_look_at_a_ledger_leaves_its_tables_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        std::fs::File::create(&path).unwrap();
        let url = format!("sqlite:{}", path.display());
        let tables = async |ledger: crate::ledger::Ledger| {
            let count = "select count(*) from sqlite_master where type = 'table'";
            let count = sqlx::query_scalar::<_, i64>(count).fetch_one(&ledger.pool).await.unwrap();
            ledger.close().await;
            count
        };
        assert_eq!(tables(crate::ledger::Ledger::open_as_it_is(&url).await.unwrap()).await, 0);
        assert!(tables(crate::ledger::Ledger::open(&url).await.unwrap()).await > 0);
    }

    #[test]
    fn migrations_are_numbered_each_once() {
        let versions: Vec<_> = migrations().iter().map(|migration| migration.version).collect();
        assert!(versions.is_sorted_by(|earlier, later| earlier < later), "{versions:?}");
        assert!(versions.contains(&20));
    }
}
