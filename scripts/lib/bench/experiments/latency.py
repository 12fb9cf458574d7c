"""`latency`: a source and a store that are far away, and many segments of middling size."""

import contextlib
import sys
from pathlib import Path

import sandbox
from bench import stopping
from contenders import OURS, RCLONE, ROOM, Ours, Rclone
from measure import MIB, cpu, in_turn, wall
from nginx import Site
from processes import HOST, Server, free_port
from results import Result, ratio, shown
from sink import null_sink

#: Milliseconds there and back.
ROUND_TRIP = 60
#: The default of [transfer] files, which rclone's --transfers is set to.
AT_ONCE = 8
SIZE = 64 * MIB


def measure(bench):
    """Both in turn, through the same two proxies; into Garage, which the target is judged by, and into a
    null sink for information, since Garage on the same cores may be what both wait for."""
    segments = bench.segments(SIZE, 6 if bench.quick else 30)
    result = Result(
        "latency", f"{len(segments)} segments of 64 MiB, {ROUND_TRIP} ms to the source and to the store",
        "A proxy on each side (the kernel here has no netem) delays every byte and gives each connection "
        "the window that TCP would have: slow start from ten segments, 6 MiB at most. `rclone copyurl --urls` "
        f"with `--transfers={AT_ONCE}`, as many as our `[transfer] files`. Windows favour programs that use several "
        "connections for a segment: without them, in an earlier run, rclone took 0.7 of our time.",
    )
    result.header = ("", "store", "wall s", "CPU s")
    usages = add(bench, result, segments, "Garage", bench.garage.store)
    what = f"wall, {ROUND_TRIP} ms of latency to source and store, {len(segments)} segments of 64 MiB"
    result.targets = [ratio(what, 0.5, wall(usages[OURS]), wall(usages[RCLONE]), RCLONE)]
    if not bench.quick:
        with null_sink(bench) as sink:
            add(bench, result, segments, "null sink", sink)
    return result


def add(bench, result, segments, name, near):
    """Measures with one store."""
    usages = far_away(bench, segments, near)
    result.rows += [(who, name, shown(wall(used)), shown(cpu(used))) for who, used in usages.items()]
    return usages


def far_away(bench, segments, near):
    """Both contenders, with the store and the source at a distance."""
    with contextlib.ExitStack() as servers:
        nginx = servers.enter_context(bench.nginx(Site(root=bench.media)))
        media = servers.enter_context(far(bench, nginx.ports[0]))
        store = near.at(servers.enter_context(far(bench, near.port)))
        urls = [f"http://{media}/{path.name}" for path in segments]
        wechat = servers.enter_context(bench.sandbox(sandbox.account() + sandbox.room(ROOM, urls)))
        contenders = [
            Ours(bench, wechat, store, media, segments),
            Rclone(bench, store, urls, segments[0], flags=[f"--transfers={AT_ONCE}"]),
        ]
        return in_turn(contenders, 1 if bench.quick else min(bench.rounds, 3), not bench.quick)


@contextlib.contextmanager
def far(bench, upstream):
    """A port's far twin: its name and port."""
    port = free_port()
    program = str(Path(__file__).parent.parent / "delay.py")
    command = [sys.executable, program, str(port), str(upstream), str(ROUND_TRIP)]
    with stopping(Server(command, bench.folder("delay") / "log", [port])):
        yield f"{HOST}:{port}"
