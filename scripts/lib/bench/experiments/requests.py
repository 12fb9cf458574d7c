"""`requests`: what the store is asked for one segment."""

import sandbox
from contenders import ROOM, Ours
from measure import GIB, MIB, Spread
from nginx import Site
from results import Result, amount


def measure(bench):
    """Exact, so once."""
    segment = bench.segment(bench.large)
    sites = [Site(root=bench.media), Site(upstream=bench.garage.port)]
    with bench.nginx(*sites) as nginx:
        media, front = nginx.hosts
        url = f"http://{media}/{segment.name}"
        with bench.sandbox(sandbox.account() + sandbox.room(ROOM, [url])) as wechat:
            ours = Ours(bench, wechat, bench.garage.store.at(front), media, [segment])
            archiver = ours.archiver()
            archiver.measure("backfill", "--room", str(ROOM))
            asked = nginx.entries(1)
        archiver.expect_archived(ROOM, 1, bench.large)
        (key,) = archiver.segment_keys(ROOM)
    return report(bench, asked, key)


def report(bench, asked, key):
    """Sorts the requests into those for the segment and the others."""
    of_segment = [entry for entry in asked if entry.path.endswith(f"/{key}")]
    others = [entry for entry in asked if entry not in of_segment]
    parts = sum("partNumber=" in entry.query for entry in of_segment)
    result = Result("requests", f"Requests to the store for one segment of {bench.large // MIB} MiB", "")
    beyond = Spread.one(len(of_segment) - parts)
    result.targets = [amount("store requests per GiB beyond the parts", 4, beyond, "requests")]
    result.header = ("request", "of", "count")
    counts = {}
    for of, entries in ((f"the segment, {parts} parts", of_segment), ("the room and the rest", others)):
        for entry in entries:
            counts[kind(entry), of] = counts.get((kind(entry), of), 0) + 1
    result.rows = [(what, of, str(count)) for (what, of), count in counts.items()]
    per_gib = len(of_segment) * GIB / bench.large
    result.notes = [f"{per_gib:.0f} requests per GiB for the segment, {len(others)} others for its room."]
    return result


def kind(entry):
    """What sort of request it is."""
    name = entry.path.rsplit("/", 1)[-1]
    for mark in ("partNumber", "uploads", "uploadId", "list-type"):
        if mark in entry.query:
            return f"{entry.method} ?{mark}" + ("" if entry.status < 300 else f" → {entry.status}")
    shown = "*.mp4" if name.endswith(".mp4") else "history/*" if "/history/" in entry.path else name
    return f"{entry.method} {shown}" + ("" if entry.status < 300 else f" → {entry.status}")
