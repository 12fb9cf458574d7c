"""`examination`: what it costs to examine every sample of a segment."""

import contextlib

import media
import sandbox
import sink
from contenders import OURS, ROOM, Ours
from experiments.transfer import per_gib
from measure import GIB, MIB, Spread, in_turn, rss, wall
from nginx import Site
from results import Result, amount, shown

UNEXAMINED = f"{OURS}, unknown codecs"


def measure(bench):
    """One segment of real samples, and the same with names of codecs that nobody knows: all but the look at
    its samples is done for both."""
    segment = media.make_real(bench.media / "real.mp4", bench.large)
    segments = {OURS: segment, UNEXAMINED: media.with_unknown_codecs(segment, bench.media / "unknown.mp4")}
    with contextlib.ExitStack() as ends:
        nginx = ends.enter_context(bench.nginx(Site(root=bench.media)))
        store = ends.enter_context(sink.null_sink(bench))
        host = nginx.hosts[0]
        contenders = []
        for name, path in segments.items():
            scenario = sandbox.account() + sandbox.room(ROOM, [f"http://{host}/{path.name}"])
            wechat = ends.enter_context(bench.sandbox(scenario))
            contenders.append(Ours(bench, wechat, store, host, [path], name=name))
        usages = in_turn(contenders, bench.rounds, warm_up=True)
    size = segment.stat().st_size / GIB
    result = Result("examination", f"Samples examined or not, one segment of {segment.stat().st_size // MIB} MiB", ABOUT)
    costs = {name: per_gib(used, size) for name, used in usages.items()}
    # By the least: what a busy machine adds has nothing to do with either.
    more = (costs[OURS].least / costs[UNEXAMINED].least - 1) * 100
    result.targets = [amount("CPU for the examination of samples", 5, Spread.one(more), "%")]
    result.header = ("", "CPU s/GiB", "wall s", "peak MiB")
    result.rows = [
        (name, shown(costs[name]), shown(wall(used)), shown(rss(used))) for name, used in usages.items()
    ]
    return result


ABOUT = (
    "AVC of 3 Mbit/s with B-frames and AAC, plain HTTP into a null sink. The segment with unknown codecs is the "
    "same but for two names in its `moov`; it is said to be unexamined."
)
