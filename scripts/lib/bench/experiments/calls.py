"""`calls`: what a first backfill and a night cost in calls to WeChat."""

import sandbox
from archiver import Archiver
from contenders import NUMBERS
from measure import Failed, Spread
from results import Result, amount, number

#: Rooms that end between the backfill and the night after it.
NEW = 6


def measure(bench):
    """A dry run at 500 calls a day, the backfill without such a limit, the night after it."""
    rooms = 300 if bench.quick else 10_000
    result = Result(
        "calls", f"Calls to WeChat: a first run over {rooms:,} rooms, and the night after it",
        "Small segments from the sandbox's own media host. Counted by the sandbox.",
    )
    result.header = ("", "pages of the room list", "rooms asked about", "wall s")
    days = foretold(bench, rooms)
    result.notes.append(f"Before it, at 500 calls a day, `run --dry-run` says: `{days}`")
    with bench.sandbox(scenario(rooms, 100_000)) as wechat:
        archiver = new_archiver(bench, wechat)
        pages, looks, usage = calls_of_run(wechat, archiver)
        check_all_sealed(archiver, rooms)
        what = f"API calls in a first backfill of {rooms:,} rooms, beyond the {pages} pages of its list"
        result.targets.append(amount(what, rooms, Spread.one(looks), "calls"))
        result.rows.append((f"the first run, {rooms:,} rooms", str(pages), str(looks), number(usage.wall)))
        ended = "".join(one_more(rooms + one) for one in range(1, NEW + 1))
        wechat.become(scenario(rooms, 100_000) + ended)
        pages, looks, usage = calls_of_run(wechat, archiver)
        check_all_sealed(archiver, rooms + NEW)
    what = f"API calls in a night with {rooms:,} archived rooms and {NEW} newly ended"
    result.targets.append(amount(what, NEW + 1, Spread.one(pages + looks), "calls"))
    result.rows.append((f"the night after it, {NEW} rooms", str(pages), str(looks), number(usage.wall)))
    return result


def scenario(rooms, quota):
    """That many rooms of one small segment, one each half hour."""
    bulk = f'[[account.generate]]\ncount = {rooms}\nnewest = "-2d"\nevery = "30m"\n'
    return sandbox.account(more=f"daily_quota = {quota}\n") + bulk


def one_more(room):
    """A room that has ended just now, as far as it has to be settled."""
    return f'[[account.room]]\nid = {room}\nstart = "-2h"\n[[account.room.replay]]\n'


def new_archiver(bench, wechat):
    """One that knows nothing."""
    return Archiver(
        bench.programs.archiver, bench.folder("ours"), wechat, bench.garage.store, [wechat.media_host],
        prefix=f"calls-{next(NUMBERS)}",
    )


def foretold(bench, rooms):
    """What the dry run says of the calls, to a person."""
    with bench.sandbox(scenario(rooms, 500)) as wechat:
        said = new_archiver(bench, wechat).output("run", "--dry-run")
    line = next((line.strip() for line in said.splitlines() if "API calls" in line), None)
    # What can be done within the day is not given in days.
    if line is None or (rooms > 500 and " days" not in line):
        raise Failed(f"the dry run does not tell the days: {said}")
    return line


def calls_of_run(wechat, archiver):
    """Pages, looks at rooms, and what the run took."""
    before = wechat.calls()
    usage = archiver.measure("run", timeout=900)
    pages, looks = (now - then for now, then in zip(wechat.calls(), before))
    return pages, looks, usage


def check_all_sealed(archiver, rooms):
    """Fails unless the catalog has that many complete rooms."""
    catalog = archiver.store.json(f"{archiver.prefix}/{sandbox.APPID}/catalog.json")
    complete = sum(room["status"] == "complete" for room in catalog["rooms"])
    if complete != rooms:
        raise Failed(f"{complete} rooms of {rooms} are complete")
