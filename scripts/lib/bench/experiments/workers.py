"""`workers`: one process against four on one ledger, where the sources keep everybody waiting."""

import time

import sandbox
from archiver import Archiver
from bench import stopping
from contenders import NUMBERS
from measure import Usage, in_turn, wall
from postgres import Postgres
from results import Result, shown, speed_up

WORKERS = 4
#: One segment at a time by one range: the wait for the source is all there is.
MORE = "[transfer]\nfiles = 2\nranges = 1\n"
LATENCY = "[vod]\nlatency = \"1s\"\n"


def measure(bench):
    """One and four in turn, on all accounts anew each time."""
    accounts, rooms = (8, 5) if bench.quick else (20, 6)
    appids = [f"wx{1_000_000_000_000_000 + number}" for number in range(accounts)]
    bulk = f'[[account.generate]]\ncount = {rooms}\nnewest = "-2d"\n'
    scenario = LATENCY + "".join(sandbox.account(appid) + bulk for appid in appids)
    with stopping(Postgres(bench.programs.postgres, bench.folders.make("/tmp"))) as postgres:
        with bench.sandbox(scenario) as wechat:
            teams = [Team(bench, wechat, postgres, appids, rooms, size) for size in (1, WORKERS)]
            usages = in_turn(teams, 1 if bench.quick else 2, warm_up=False)
    return report(usages, accounts, rooms)


def report(usages, accounts, rooms):
    """The result of both."""
    one, four = (wall(used) for used in usages.values())
    result = Result(
        "workers", f"{WORKERS} processes on one ledger: {accounts} accounts with {rooms} rooms each",
        "PostgreSQL. A segment takes a second to begin; each process transfers two at a time, with one range each.",
    )
    bound = 3.6
    result.targets = [
        speed_up("four workers on PostgreSQL, sources bound by latency", bound, four, one, "one worker")
    ]
    result.header = ("", "wall s")
    result.rows = [(name, shown(wall(used))) for name, used in usages.items()]
    return result


class Team:
    """Some processes that share a ledger."""

    def __init__(self, bench, wechat, postgres, appids, rooms, size):
        self.bench, self.wechat, self.postgres = bench, wechat, postgres
        self.appids, self.rooms, self.size = appids, rooms, size
        self.name = "1 process" if size == 1 else f"{size} processes"

    def run(self):
        """Archives every room of every account."""
        number = next(NUMBERS)
        archiver = Archiver(
            self.bench.programs.archiver, self.bench.folder("ours"), self.wechat,
            self.bench.garage.store, [self.wechat.media_host], prefix=f"workers-{number}",
            ledger=self.postgres.create(f"workers_{number}"), more=MORE, appids=self.appids,
        )
        # The tables are there already, as they are on any day but the first.
        archiver.output("plan")
        began = time.monotonic()
        clients = [archiver.start("run", timeout=300) for _ in range(self.size)]
        usages = [client.wait() for client in clients]
        took = time.monotonic() - began
        for client in clients:
            # A worker whose last rooms are in another's hands says that something is left.
            client.expect(0, 3)
        self.check(archiver)
        return Usage(sum(one.cpu for one in usages), took, sum(one.rss for one in usages))

    def check(self, archiver):
        """Fails unless everything is archived."""
        for appid in self.appids:
            for room in range(1, self.rooms + 1):
                key = f"{archiver.prefix}/{appid}/rooms/{room}/manifest.json"
                size = archiver.store.json(key)["totals"]["bytes"]
                archiver.expect_archived(room, 1, size, appid)
