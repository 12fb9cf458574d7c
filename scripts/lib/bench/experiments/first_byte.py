"""`first-byte`: from the start of the process to the first media request, less WeChat's replies."""

import sandbox
from archiver import Archiver
from contenders import NUMBERS
from measure import MIB, Failed, Spread
from nginx import Site
from results import Result, amount, shown


def measure(bench):
    """A room each time, with the ledger of the first. nginx stands before the API as well, so that
    one clock tells of all."""
    samples = 4 if bench.quick else 12
    segments = bench.segments(8 * MIB, samples + 1)
    # The API has to be there before nginx can stand before it, and nginx's port before the rooms.
    with bench.sandbox(sandbox.account()) as wechat:
        sites = [Site(root=bench.media), Site(upstream=wechat.port)]
        with bench.nginx(*sites) as nginx:
            media, api = nginx.hosts
            urls = [f"http://{media}/{segment.name}" for segment in segments]
            rooms = [sandbox.room(number, [url]) for number, url in enumerate(urls, 1)]
            wechat.become(sandbox.account() + "".join(rooms))
            archiver = Archiver(
                bench.programs.archiver, bench.folder("ours"), wechat, bench.garage.store, [media],
                prefix=f"first-byte-{next(NUMBERS)}", api=f"http://{api}",
            )
            archiver.measure("backfill", "--room", "1")
            seen = [sample(archiver, nginx, number) for number in range(2, samples + 2)]
    return report(seen)


def sample(archiver, nginx, room):
    """Milliseconds of one run: until the first media request, and of the API's replies until then."""
    nginx.forget()
    client = archiver.start("backfill", "--room", str(room))
    client.wait()
    client.expect(0)
    media = [entry.began for entry in nginx.entries(0) if entry.method == "GET"]
    if not media:
        raise Failed("no segment was asked for")
    first = min(media)
    replies = [entry.took for entry in nginx.entries(1) if entry.ended <= first + 0.0005]
    return (first - client.began_at) * 1000, sum(replies) * 1000, len(replies)


def report(seen):
    """The result."""
    result = Result(
        "first-byte", "From the start of the process to the first byte requested",
        "`backfill` of one room with a ledger that exists; by nginx's log, which counts milliseconds. The "
        "store's answer to whether the bucket is there is included.",
    )
    beyond = Spread.of(total - replies for total, replies, _ in seen)
    # The middle, as the machine has other things to do: one slow start says nothing of the program.
    target = amount("start to first byte requested, beyond the API's replies", 50, Spread.one(beyond.middle), "ms")
    result.targets = [target]
    result.header = ("", "ms")
    result.rows = [
        ("from the start to the first media request", shown(Spread.of(one[0] for one in seen))),
        ("of it the API's replies", shown(Spread.of(one[1] for one in seen))),
        ("beyond them", shown(beyond)),
    ]
    return result
