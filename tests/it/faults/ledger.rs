//! Faults of the ledger: held, full, damaged, lost.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use replay_archiver::config::Config;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};

use super::check::{LARGE, Row, SMALL, acted, check_all};
use super::expect::{Expect, SAVED, could_not_run, failed, hinted};
use crate::pipeline::world::World;

#[test]
fn a_ledger_that_cannot_be_used_stops_the_night_and_costs_no_archived_byte() {
    let mut rows = vec![held("held for some seconds", Duration::from_secs(3), SAVED)];
    rows.extend(held_for_ever());
    rows.extend(damaged());
    rows.extend(of_others());
    rows.extend(full());
    rows.extend(leases());
    rows.push(without_journal());
    rows.extend(misplaced());
    check_all(rows);
}

/// A row in which another process holds a lock on the ledger for so long, or until the fault is over.
fn held(name: &str, longest: Duration, expect: Expect) -> Row {
    let held: Arc<Mutex<Option<Sender<()>>>> = Arc::default();
    let release = Arc::clone(&held);
    let strike = move |world: &World| {
        let ((held_tx, held_rx), (let_go, until)) = (channel(), channel());
        let path = world.ledger();
        std::thread::spawn(move || hold(&path, &held_tx, &until, longest));
        held_rx.recv().unwrap();
        *held.lock().unwrap() = Some(let_go);
    };
    let heal = move |_: &World| drop(release.lock().unwrap().take());
    Row { heal: Box::new(heal), ..acted(name, SMALL, strike, expect) }
}

/// Rows in which the lock outlasts the outage budget, from the beginning of the night.
fn held_for_ever() -> Vec<Row> {
    let locked = hinted(could_not_run("locked"), "another process holds a lock on the ledger");
    let ill = |config: &mut Config| config.outage_budget = Duration::from_secs(1);
    let ever = Duration::from_secs(600);
    vec![Row { ill, ..held("held for ever", ever, locked) }]
}

fn hold(path: &Path, held: &Sender<()>, until: &Receiver<()>, longest: Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut connection =
        runtime.block_on(SqliteConnectOptions::new().filename(path).connect()).unwrap();
    runtime.block_on(connection.execute("begin exclusive")).unwrap();
    held.send(()).unwrap();
    // The other end sends nothing: it is dropped when the fault is over.
    let _ = until.recv_timeout(longest);
    runtime.block_on(connection.execute("rollback")).unwrap();
}

/// Does something to the ledger as another program would.
pub(super) fn sql(world: &World, statement: &'static str) {
    let path = world.ledger();
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let options = SqliteConnectOptions::new().filename(path);
            let mut connection = options.connect().await.unwrap();
            connection.execute(AssertSqlSafe(statement)).await.unwrap();
        });
    };
    std::thread::spawn(work).join().unwrap();
}

/// The files of the ledger.
fn files(world: &World) -> [PathBuf; 3] {
    ["", "-wal", "-shm"]
        .map(|ending| PathBuf::from(format!("{}{ending}", world.ledger().display())))
}

fn move_away(world: &World) {
    for file in files(world) {
        let _ = std::fs::remove_file(file);
    }
}

/// A ledger whose file is damaged or gone; a person moves it away.
fn damaged() -> Vec<Row> {
    let row = |name: &str, strike: fn(&World), expect: Expect| Row {
        heal: Box::new(move_away),
        ..acted(name, SMALL, strike, expect)
    };
    let not_begun = |expect: Expect| Expect { logged: 0, ..expect };
    let to_move = "move it away";
    vec![
        row("lost", move_away, SAVED),
        row(
            "another file in its place",
            |world| {
                move_away(world);
                std::fs::write(world.ledger(), "this is no database\n".repeat(1000)).unwrap();
            },
            not_begun(hinted(could_not_run("file is not a database"), to_move)),
        ),
        row(
            "cut to half",
            |world| {
                sql(world, "pragma wal_checkpoint(truncate)");
                let file = std::fs::File::options().write(true).open(world.ledger()).unwrap();
                file.set_len(file.metadata().unwrap().len() / 8192 * 4096).unwrap();
            },
            not_begun(hinted(could_not_run("malformed"), to_move)),
        ),
        row(
            "pages of junk",
            |world| {
                sql(world, "pragma wal_checkpoint(truncate)");
                let mut bytes = std::fs::read(world.ledger()).unwrap();
                bytes[4096..].fill(0x5a);
                std::fs::write(world.ledger(), bytes).unwrap();
            },
            not_begun(hinted(could_not_run("malformed"), to_move)),
        ),
        row(
            "a room that cannot be read until it is listed again",
            |world| sql(world, "update rooms set room = '{' where room_id = 1"),
            SAVED,
        ),
    ]
}

/// A ledger that another program made, or a newer version of this one changed; a person moves it away.
fn of_others() -> Vec<Row> {
    let row = |name: &str, strike: fn(&World), expect: Expect| Row {
        heal: Box::new(move_away),
        ..acted(name, SMALL, strike, Expect { logged: 0, ..expect })
    };
    vec![
        row(
            "made by another program",
            |world| {
                sql(world, "drop table ledger_schema");
                sql(
                    world,
                    "update _sqlx_migrations set version = 20990101 where version = (select max(version) from _sqlx_migrations)",
                );
            },
            hinted(
                could_not_run("failed to update the ledger's tables"),
                "if another version created this ledger",
            ),
        ),
        row(
            "changed by a newer version",
            |world| {
                sql(world, "update ledger_schema set min_reader = 9001, min_version = '9.1.0'");
            },
            hinted(
                could_not_run("needs replay-archiver 9.1.0 or newer"),
                "install 9.1.0 or newer on this machine",
            ),
        ),
    ]
}

/// A ledger whose journal cannot be made.
fn without_journal() -> Row {
    let told = could_not_run("unable to open database");
    let expect = hinted(told, "the folder of the ledger must exist and be writable");
    let make = |world: &World| std::fs::create_dir(&files(world)[1]).unwrap();
    Row {
        heal: Box::new(|world| std::fs::remove_dir(&files(world)[1]).unwrap()),
        ..acted("with a journal that cannot be made", SMALL, make, Expect { logged: 0, ..expect })
    }
}

/// A disk that is full when something is to be written; SQLite's words for it.
fn full() -> Vec<Row> {
    let row = |name: &str, room, trigger: &'static str, expect: Expect| Row {
        heal: Box::new(|world| sql(world, "drop trigger full")),
        ..acted(name, room, move |world| sql(world, trigger), expect)
    };
    let hint = "the ledger's disk is full";
    let told = "database or disk is full";
    vec![
        row(
            "full at the first call",
            SMALL,
            "create trigger full before update on quota begin select raise(abort, 'database or disk is full'); end",
            hinted(could_not_run(told), hint),
        ),
        row(
            "full when a recording is noted",
            SMALL,
            "create trigger full before insert on recordings begin select raise(abort, 'database or disk is full'); end",
            hinted(could_not_run(told), hint),
        ),
        row(
            "full at a checkpoint",
            LARGE,
            "create trigger full before insert on upload_parts begin select raise(abort, 'database or disk is full'); end",
            Expect { exit: 3, neighbour: "complete", ..hinted(could_not_run(told), hint) },
        ),
        row(
            "full when a room is sealed",
            SMALL,
            "create trigger full before update of status on rooms when new.status is not null and new.room_id = 2 begin select raise(abort, 'database or disk is full'); end",
            Expect {
                exit: 3,
                status: "complete",
                states: &["archived"],
                neighbour: "complete",
                ..hinted(failed(told), hint)
            },
        ),
    ]
}

/// A ledger that refuses what keeps or ends a lease. What is refused is told of each room, and nothing
/// is done twice.
fn leases() -> Vec<Row> {
    let row = |name: &str, trigger: &'static str, expect: Expect| Row {
        heal: Box::new(|world| sql(world, "drop trigger refuse")),
        ..acted(name, SMALL, move |world| sql(world, trigger), expect)
    };
    let (kept, told) = (could_not_run("failed to renew the lease"), 2);
    vec![
        row(
            "a lease that cannot be renewed",
            "create trigger refuse before update of lease_until on rooms when new.lease_owner = old.lease_owner begin select raise(abort, 'not this'); end",
            Expect { exit: 3, logged: told, ..kept },
        ),
        row(
            "a lease that cannot be given up",
            "create trigger refuse before update of lease_owner on rooms when new.lease_owner is null and old.lease_owner is not null begin select raise(abort, 'not this'); end",
            Expect { loud: told, ..SAVED },
        ),
    ]
}

/// A ledger that is somewhere else than the configuration says, or may not be written.
fn misplaced() -> Vec<Row> {
    let row = |name: &str, ill: fn(&mut Config), expect: Expect| Row {
        ill,
        ..acted(name, SMALL, |_| {}, expect)
    };
    let not_begun = |expect: Expect| Expect { logged: 0, ..expect };
    vec![
        row(
            "read-only",
            |config| {
                use secrecy::ExposeSecret as _;
                config.ledger_url = format!("{}?mode=ro", config.ledger_url.expose_secret()).into();
            },
            hinted(could_not_run("readonly"), "read-only for this user"),
        ),
        row(
            "in a folder that is not there",
            |config| config.ledger_url = "sqlite:/nowhere/at/all/ledger.sqlite".to_owned().into(),
            not_begun(hinted(
                could_not_run("the folder /nowhere/at/all does not exist"),
                "create it: `mkdir -p '/nowhere/at/all'`",
            )),
        ),
        row(
            "a database that does not run",
            |config| config.ledger_url = "postgres://nobody@127.0.0.1:1/none".to_owned().into(),
            not_begun(hinted(
                could_not_run("Connection refused"),
                "is the database of [ledger] running",
            )),
        ),
    ]
}
