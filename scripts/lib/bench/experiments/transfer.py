"""`cpu-plain` and `cpu-tls`: what it costs to move one segment, nothing being in the way."""

import sandbox
import sink
from contenders import AWS, FLOOR, OURS, RCLONE, ROOM, Aws, Floor, Ours, Rclone
from measure import GIB, MIB, Spread, cpu, in_turn, rss, wall
from nginx import Site
from results import Result, amount, ratio, shown


def plain(bench):
    """Over plain HTTP."""
    with bench.nginx(Site(root=bench.media)) as nginx:
        host = nginx.hosts[0]
        return measure(bench, "cpu-plain", "plain HTTP", host, f"http://{host}", bench.garage.store)


def tls(bench):
    """Over TLS on both sides: nginx has the segments, and stands before the store."""
    sites = [Site(root=bench.media), Site(upstream=bench.garage.port)]
    with bench.nginx(*sites, certificate=bench.certificate) as nginx:
        media, front = nginx.hosts
        store = bench.garage.store.at(front, bench.authority)
        return measure(bench, "cpu-tls", "TLS on both sides", media, f"https://{media}", store)


def null_sink(bench):
    """Over plain HTTP, into a store that costs next to nothing: for information, as a real store on the
    same cores may be what all of them wait for."""
    with bench.nginx(Site(root=bench.media)) as nginx, sink.null_sink(bench) as store:
        host, way = nginx.hosts[0], "plain HTTP into a null sink"
        return measure(bench, "null-sink", way, host, f"http://{host}", store)


def measure(bench, name, way, host, base, store):
    """All contenders in turn, on the same segment."""
    segment = bench.segment(bench.large)
    url = f"{base}/{segment.name}"
    with bench.sandbox(sandbox.account() + sandbox.room(ROOM, [url])) as wechat:
        contenders = [
            Ours(bench, wechat, store, host, [segment]),
            Rclone(bench, store, [url], segment),
            Floor(bench, store, url, segment),
            Aws(bench, store, url, segment),
        ]
        usages = in_turn(contenders, bench.rounds, warm_up=True)
    size = bench.large / GIB
    result = Result(name, f"One segment of {bench.large // MIB} MiB, {way}", ABOUT)
    result.targets = targets(name, way, usages, size)
    result.header = ("", "CPU s/GiB", "wall s", "peak MiB")
    result.rows = [
        (contender, shown(per_gib(used, size)), shown(wall(used)), shown(rss(used)))
        for contender, used in usages.items()
    ]
    return result


ABOUT = (
    "The floor is the sum of `curl` down to `/dev/null`, `openssl dgst -sha256` over the file, and `curl` "
    "up in one request. Only ours and the floor know the SHA-256 of what they transferred; only ours has "
    "examined the recording. "
    f"`{AWS}` is shown for comparison only."
)


def targets(name, way, usages, size):
    """What the issue asks of them."""
    ours, rclone, floor = (usages[name] for name in (OURS, RCLONE, FLOOR))
    what = f"CPU seconds per GiB, {way}"
    yours = per_gib(ours, size)
    if name == "null-sink":
        return []
    targets = [
        ratio(what, 0.50, yours, per_gib(rclone, size), RCLONE),
        ratio(what, 1.0, yours, per_gib(floor, size), "the floor"),
        amount(f"peak RSS at defaults, one segment, {way}", 96, rss(ours), "MiB"),
    ]
    if name == "cpu-plain":
        what = "wall, source and store unthrottled"
        targets.insert(2, ratio(what, 0.75, wall(ours), wall(rclone), RCLONE))
    return targets


def per_gib(usages, size):
    """Their CPU seconds for each GiB."""
    spread = cpu(usages)
    return Spread(spread.least / size, spread.middle / size, spread.most / size, spread.count)
