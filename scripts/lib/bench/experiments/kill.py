"""`kill`: how many bytes move again after a kill at four fifths of a segment."""

import time

import sandbox
from contenders import NUMBERS, ROOM, Ours, Rclone
from measure import MIB, Client, Failed, Spread
from nginx import Site
from results import Result, amount, number

#: What is in flight is what the budget for parts holds.
IN_FLIGHT = 64
#: Slow enough that a kill comes where it is wanted.
RATE = 100


def measure(bench):
    """Ours, and rclone for information."""
    segment = bench.segment(bench.large)
    with bench.nginx(Site(root=bench.media, rate=f"{RATE}m")) as nginx:
        url = f"http://{nginx.hosts[0]}/{segment.name}"
        with bench.sandbox(sandbox.account() + sandbox.room(ROOM, [url])) as wechat:
            ours = Ours(bench, wechat, bench.garage.store, nginx.hosts[0], [segment])
            again = [kill_ours(bench, ours, nginx) for _ in range(1 if bench.quick else bench.rounds)]
        others = kill_rclone(bench, nginx, url, segment)
    result = Result(
        "kill", f"SIGKILL at 80 % of a segment of {bench.large // MIB} MiB, then another run",
        f"Bytes that nginx has sent over both runs, less the segment's size; {RATE} MiB/s a connection. What "
        "the kernel had buffered for the killed process counts as sent.",
    )
    spread = Spread.of(again)
    result.targets = [
        amount("bytes transferred again after a kill at 80 %: the parts in flight", IN_FLIGHT, spread, "MiB")
    ]
    result.header = ("", "MiB transferred again")
    result.rows = [("replay-archiver, each time", " ".join(number(one) for one in again)),
                   ("rclone copyurl", number(others))]
    return result


def kill_ours(bench, ours, nginx):
    """The MiB that moved again."""
    archiver = ours.archiver()
    command = ("backfill", "--room", str(ROOM))
    nginx.forget()
    client = archiver.start(*command)
    while client.is_running() and sent(nginx) < 0.8 * bench.large:
        time.sleep(0.005)
    client.kill()
    client.wait()
    if client.exit == 0:
        raise Failed("the run was over before it could be killed")
    archiver.measure(*command)
    archiver.expect_archived(ROOM, 1, bench.large)
    return moved_again(bench, nginx)


def kill_rclone(bench, nginx, url, segment):
    """As `kill_ours`; it has one request, of which the log tells at its end, so that the kill comes
    by time."""
    rclone = Rclone(bench, bench.garage.store, [url], segment)
    usual = rclone.run().wall
    nginx.forget()
    client = start(bench, rclone)
    while client.is_running() and time.time() - client.began_at < 0.8 * usual:
        time.sleep(0.01)
    client.kill()
    client.wait()
    rclone.run()
    return moved_again(bench, nginx)


def start(bench, rclone):
    """Starts rclone as its own `run` does."""
    folder = bench.folder("rclone")
    command = rclone.command(folder, f"rclone-{next(NUMBERS)}", ["0.mp4"])
    return Client(command, rclone.env(), folder / "rclone.log", 300)


def sent(nginx):
    """The bytes of segments that nginx has sent by now."""
    return sum(entry.sent for entry in nginx.entries() if entry.path.endswith(".mp4"))


def moved_again(bench, nginx):
    """The MiB sent beyond the segment's own, once the log knows of all."""
    time.sleep(0.5)
    return (sent(nginx) - bench.large) / MIB
