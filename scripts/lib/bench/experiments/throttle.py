"""`throttled`: a host that gives each connection so much a second and no more."""

import sandbox
from contenders import OURS, RCLONE, ROOM, Ours, Rclone
from measure import MIB, in_turn, wall
from nginx import Site
from results import Result, ratio, shown

#: What the target names, in MiB a second.
RATE = 20
#: What the chart shows; None for no throttle.
RATES = (5, 10, 20, 50, None)


def measure(bench):
    """The segment of the target at its rate, then a smaller one at all rates for the chart."""
    size = bench.large // (2 if bench.quick else 1)
    rounds = 1 if bench.quick else min(bench.rounds, 2)
    usages = at_rate(bench, RATE, bench.segment(size), rounds)
    result = Result(
        "throttled", f"One segment of {size // MIB} MiB at {RATE} MiB/s a connection",
        "nginx's `limit_rate`, which counts by request. Ours is not told how many ranges to use.",
    )
    what = f"wall, source throttled to {RATE} MiB/s a connection"
    ours, rclone = wall(usages[OURS]), wall(usages[RCLONE])
    result.targets = [ratio(what, 0.16, ours, rclone, RCLONE)]
    result.header = ("MiB/s a connection", "MiB", f"{OURS}, wall s", f"{RCLONE}, wall s")
    result.rows = [(str(RATE), str(size // MIB), shown(ours), shown(rclone))]
    if not bench.quick:
        add_chart(bench, result)
    return result


def at_rate(bench, rate, segment, rounds):
    """Both in turn at one rate."""
    limit = f"{rate}m" if rate else None
    store = bench.garage.store
    with bench.nginx(Site(root=bench.media, rate=limit)) as nginx:
        url = f"http://{nginx.hosts[0]}/{segment.name}"
        with bench.sandbox(sandbox.account() + sandbox.room(ROOM, [url])) as wechat:
            contenders = [
                Ours(bench, wechat, store, nginx.hosts[0], [segment]),
                Rclone(bench, store, [url], segment),
            ]
            # What has to be warm is the store, which has these bytes from the first run on.
            return in_turn(contenders, rounds, warm_up=rate is None)


def add_chart(bench, result):
    """Wall time over the throttle."""
    segment = bench.segment(256 * MIB)
    lines = {OURS: [], RCLONE: []}
    for rate in reversed(RATES):
        usages = at_rate(bench, rate, segment, 1)
        walls = {name: wall(used) for name, used in usages.items()}
        for name, spread in walls.items():
            lines[name].append((rate, spread.middle))
        shown_rate = str(rate) if rate else "unlimited"
        result.rows.append((shown_rate, "256", shown(walls[OURS]), shown(walls[RCLONE])))
    result.lines["throttle"] = [(name, points[::-1]) for name, points in lines.items()]
