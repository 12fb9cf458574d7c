"""`memory`: the peak of memory over the size and the number of segments, and over budgets."""

import media
import sandbox
from contenders import ROOM, Ours
from measure import GIB, MIB, in_turn, rss
from nginx import Site
from results import Result, amount, shown

#: What the program's memory may be at its defaults, in MiB; and beyond a configured budget.
AT_DEFAULTS, BESIDE_BUDGET = 96, 40


def measure(bench):
    """Each once more than the rounds say would only find the same: two rounds, no warm-up."""
    result = Result(
        "memory", "Peak memory over the size and the number of segments",
        "The largest segment consists of zeros, so that no disk has to hold it; the others consist of noise.",
    )
    result.header = ("segments", "budget", "peak MiB", "wall s", "CPU s")
    sizes = (64, 256) if bench.quick else (64, 256, 1024, 4096)
    points = []
    for size in sizes:
        usages = run(bench, result, [segment(bench, size)], f"1 of {size} MiB")
        result.targets.append(
            amount(f"peak RSS at defaults, one segment of {size} MiB", AT_DEFAULTS, rss(usages), "MiB")
        )
        points.append((size, rss(usages).middle))
    result.lines["memory"] = [("1 segment at defaults", points)]
    many(bench, result)
    # Large enough that the largest budget can be used up.
    size = 256 if bench.quick else 1024
    for budget in (16, 256) if bench.quick else (16, 64, 256):
        usages = run(bench, result, [segment(bench, size)], f"1 of {size} MiB", budget)
        what = f"peak RSS with a budget of {budget} MiB"
        result.targets.append(amount(what, BESIDE_BUDGET + budget, rss(usages), "MiB"))
    return result


def many(bench, result):
    """Many segments at once, at defaults and with a large budget."""
    count = 6 if bench.quick else 30
    segments = bench.segments(64 * MIB, count)
    usages = run(bench, result, segments, f"{count} of 64 MiB")
    what = f"peak RSS at defaults, {count} segments of 64 MiB"
    result.targets.append(amount(what, AT_DEFAULTS, rss(usages), "MiB"))
    if not bench.quick:
        usages = run(bench, result, segments, f"{count} of 64 MiB", 256)
        what = f"peak RSS with a budget of 256 MiB, {count} segments of 64 MiB"
        result.targets.append(amount(what, BESIDE_BUDGET + 256, rss(usages), "MiB"))


def segment(bench, size):
    """The segment of so many MiB."""
    if size * MIB <= GIB:
        return bench.segment(size * MIB)
    path = bench.media / f"segment-{size}.mp4"
    return path if path.exists() else media.make_sparse(path, size * MIB)


def run(bench, result, segments, named, budget=None):
    """Moves the segments and writes a row of what it took."""
    more = f'[transfer]\nmemory = "{budget}MiB"\n' if budget else ""
    with bench.nginx(Site(root=bench.media)) as nginx:
        host = nginx.hosts[0]
        urls = [f"http://{host}/{path.name}" for path in segments]
        with bench.sandbox(sandbox.account() + sandbox.room(ROOM, urls)) as wechat:
            ours = Ours(bench, wechat, bench.garage.store, host, segments, more=more)
            usages = in_turn([ours], 1 if bench.quick else 2, warm_up=False)[ours.name]
    walls, cpus = (shown_of(usages, what) for what in ("wall", "cpu"))
    shown_budget = f"{budget} MiB" if budget else "default"
    result.rows.append((named, shown_budget, shown(rss(usages)), walls, cpus))
    return usages


def shown_of(usages, what):
    """One figure of all runs as a text."""
    return " / ".join(f"{getattr(usage, what):.1f}" for usage in usages)
