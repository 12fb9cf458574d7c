"""`ledger`: how long `plan` takes where a million rooms are known."""

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import crowd
import sandbox
from archiver import Archiver
from bench import stopping
from contenders import NUMBERS, ROOM
from measure import GIB, MIB, Failed, in_turn, rss, wall
from nginx import Site
from postgres import Postgres
from results import Result, amount, ratio, shown

TABLES = ("accounts", "rooms", "recordings", "quota")


def measure(bench):
    """Fills both kinds of ledger, then lets them plan in turn."""
    with stopping(Postgres(bench.programs.postgres, bench.folders.make("/tmp"))) as postgres:
        on_sqlite = Plan(bench, "SQLite", None)
        name = f"ledger_{next(NUMBERS)}"
        on_postgres = Plan(bench, "PostgreSQL", postgres.create(name))
        path = on_sqlite.archiver.ledger.removeprefix("sqlite:")
        columns = fill_sqlite(path)
        fill_postgres(postgres, name, columns)
        usages = in_turn([on_sqlite, on_postgres], max(bench.rounds, 3), warm_up=True)
    return report(usages, Path(path).stat().st_size)


def report(usages, size):
    """The result of both."""
    ours, theirs = usages["SQLite"], usages["PostgreSQL"]
    result = Result(
        "ledger", "`plan` over 1,000 accounts, 1,000,000 rooms and 3,000,000 recordings",
        f"One room in {crowd.OWED} has pending work. The rows are copies of those of a room that the "
        f"program has archived; the SQLite file has {size / GIB:.1f} GiB and is in the page cache after the "
        "warm-up.",
    )
    what = "deciding what is due with 1 million rooms"
    result.targets = [
        amount(f"{what}, SQLite", 1.0, wall(ours), "s"),
        amount(f"{what}, SQLite, peak RSS", 64, rss(ours), "MiB"),
        ratio(f"{what}, the same order on PostgreSQL", 3, wall(theirs), wall(ours), "SQLite"),
        amount(f"{what}, PostgreSQL, peak RSS", 64, rss(theirs), "MiB"),
    ]
    result.header = ("ledger", "wall s", "peak MiB")
    result.rows = [(name, shown(wall(used)), shown(rss(used))) for name, used in usages.items()]
    return result


class Plan:
    """`plan` for all accounts, on a ledger that has the template."""

    def __init__(self, bench, name, ledger):
        self.name = name
        folder = bench.folder("ours")
        segments = bench.segments(8 * MIB, crowd.SEGMENTS)
        ledger = ledger or f"sqlite:{folder}/ledger.sqlite"
        with bench.nginx(Site(root=bench.media)) as nginx:
            host = nginx.hosts[0]
            urls = [f"http://{host}/{segment.name}" for segment in segments]
            with bench.sandbox(sandbox.account() + sandbox.room(ROOM, urls)) as wechat:
                made = self.make(bench, folder, wechat, host, ledger, [sandbox.APPID])
                made.measure("run")
                made.expect_archived(ROOM, len(segments), 8 * MIB)
                appids = [crowd.appid(number) for number in range(1, crowd.ACCOUNTS + 1)]
                self.archiver = self.make(bench, folder, wechat, host, ledger, appids)

    def make(self, bench, folder, wechat, host, ledger, appids):
        """The program with some accounts."""
        return Archiver(
            bench.programs.archiver, folder, wechat, bench.garage.store, [host],
            prefix=f"ledger-{next(NUMBERS)}", ledger=ledger, appids=appids,
        )

    def run(self):
        """One plan, which has to know every account."""
        said = len(self.archiver.log.read_text().split("\naccount "))
        usage = self.archiver.measure("plan", timeout=120)
        told = len(self.archiver.log.read_text().split("\naccount ")) - said
        if told < crowd.ACCOUNTS - 1:
            raise Failed(f"the plan tells of {told} accounts")
        return usage


def fill_sqlite(path):
    """Makes the ledger of one account that of a thousand; returns the columns of its tables."""
    with sqlite3.connect(path) as database:
        columns = {
            table: [row[1] for row in database.execute(f"pragma table_info({table})")]
            for table in TABLES
        }
    database.close()
    script = ["pragma synchronous = off", "pragma cache_size = -500000", "begin"]
    script += crowd.statements(columns, series_of_sqlite, now())
    script += ["commit", "pragma wal_checkpoint(truncate)"]
    shell = str(Path(__file__).parent.parent / "sqlite_shell.py")
    done = subprocess.run(
        [sys.executable, shell, path], input=";\n".join(script) + ";", capture_output=True, text=True,
        timeout=600, check=False,
    )
    if done.returncode:
        raise Failed(f"the SQLite ledger could not be filled: {done.stderr[-800:]}")
    return columns


def fill_postgres(postgres, name, columns):
    """The same in PostgreSQL, with the statistics that it gathers by itself in a while."""
    made = crowd.statements(columns, series_of_postgres, now())
    script = ["begin", *made, "commit", "vacuum analyze"]
    postgres.execute(name, ";\n".join(script) + ";")


def series_of_sqlite(count):
    """The numbers from 1 to `count`."""
    return (
        "(with recursive numbers (n) as (select 1 union all select n + 1 from numbers "
        f"where n < {count}) select n from numbers)"
    )


def series_of_postgres(count):
    """The numbers from 1 to `count`."""
    return f"(select n::bigint from generate_series(1, {count}) as n)"


def now():
    """In milliseconds."""
    return int(time.time() * 1000)
