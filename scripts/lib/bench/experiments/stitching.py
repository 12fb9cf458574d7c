"""`stitching`: one film of three segments, made by the store, beside what people do: fetch them, join them with ffmpeg,
and send the film."""

import itertools
import struct

import media
import sandbox
from contenders import NUMBERS, ROOM, Ours, arrived, plain_env
from measure import MIB, Failed, Spread, cpu, run_steps, wall
from nginx import Site
from results import Result, amount, ratio, shown

SEGMENTS = 3
#: Of one run of either contender. They move nine gigabytes together in a round.
TIMEOUT = 1800
#: Each segment has bytes of its own: the store keeps equal blocks once.
SEEDS = itertools.count(1)
OURS, CURL, FFMPEG = "replay-archiver stitch", "curl down and up", "curl, ffmpeg -f concat -c copy, curl"


def measure(bench):
    """A room of fresh bytes each time, archived beforehand."""
    rounds = [one_round(bench) for _ in range(bench.rounds)]
    return report(bench, rounds)


def one_round(bench):
    """Stitches a room both ways. Returns what each took, the bytes that ours moved, and those of the moovs."""
    paths = [media.make_real(bench.media / f"stitched-{seed}.mp4", bench.large, seed) for seed in seeds()]
    try:
        with bench.nginx(Site(root=bench.media), Site(upstream=bench.garage.port)) as nginx:
            host, front = nginx.hosts
            urls = [f"http://{host}/{path.name}" for path in paths]
            with bench.sandbox(sandbox.account() + sandbox.room(ROOM, urls)) as wechat:
                ours = Ours(bench, wechat, bench.garage.store.at(front), host, paths, timeout=TIMEOUT)
                archiver = ours.archiver()
                archiver.measure("backfill", "--room", str(ROOM), timeout=TIMEOUT)
                nginx.forget()
                # Through nginx, which counts what it moves.
                usage = archiver.measure("stitch", "--room", str(ROOM), timeout=TIMEOUT)
                moved = sum(entry.sent + entry.received for entry in nginx.entries(1))
                film_is_there(archiver)
                keys = archiver.segment_keys(ROOM)
        curl, joining = by_hand(bench, keys, sum(path.stat().st_size for path in paths))
        return usage, curl, curl.then(joining), moved, sum(moov(path) for path in paths)
    finally:
        for path in paths:
            path.unlink()


def seeds():
    """Of the segments of a room."""
    return [next(SEEDS) for _ in range(SEGMENTS)]


def film_is_there(archiver):
    """Fails unless the manifest names a film that is as long as it says."""
    folder = f"{archiver.prefix}/{sandbox.APPID}/rooms/{ROOM}"
    film = archiver.store.json(f"{folder}/manifest.json")["playback"]["stitched"]
    if archiver.store.size(f"{folder}/{film['key']}") != film["bytes"]:
        raise Failed("the film has another size than its manifest says")


def by_hand(bench, keys, least):
    """What people do. Returns what curl took, and ffmpeg between."""
    folder, store = bench.folder("by-hand"), bench.garage.store
    key, film, log = f"by-hand-{next(NUMBERS)}/film.mp4", folder / "film.mp4", folder / "log"
    segments = [folder / f"{number}.mp4" for number in range(len(keys))]
    curl = ["curl", "--silent", "--show-error", "--fail"]
    down = [[*curl, "--output", str(path), store.presigned("GET", key)] for path, key in zip(segments, keys)]
    (folder / "list").write_text("".join(f"file '{path}'\n" for path in segments))
    join = ["ffmpeg", "-nostdin", "-v", "error", "-f", "concat", "-safe", "0", "-i", str(folder / "list")]
    join += ["-c", "copy", "-movflags", "+faststart", str(film)]
    fetched = run_steps(down, plain_env(), log, TIMEOUT)
    joined = run_steps([join], plain_env(), log, TIMEOUT)
    for path in segments:
        path.unlink()
    sent = run_steps([[*curl, "--upload-file", str(film), store.presigned("PUT", key)]], plain_env(), log, TIMEOUT)
    if film.stat().st_size < 0.98 * least:
        raise Failed(f"ffmpeg's film has only {film.stat().st_size} bytes")
    arrived(store, key, film)
    film.unlink()
    return fetched.then(sent), joined


def moov(path):
    """The bytes of a file's moov."""
    with open(path, "rb") as segment:
        while head := segment.read(8):
            size, kind = struct.unpack(">I4s", head)
            length = 8
            if size == 1:
                size, length = struct.unpack(">Q", segment.read(8))[0], 16
            if kind == b"moov":
                return size
            segment.seek(size - length, 1)
    raise Failed(f"{path} has no moov")


def report(bench, rounds):
    """The result."""
    ours, curl, by_ffmpeg, moved, moovs = map(list, zip(*rounds))
    size = f"{SEGMENTS} × {bench.large // MIB} MiB"
    result = Result(
        "stitching", f"One film of {size}",
        "The segments are in the store, each with bytes of its own, as Garage keeps equal blocks once. `stitch` goes "
        "through nginx, which counts its bytes, headers included; curl does not.",
    )
    beyond = Spread.of((bytes_ - 5 * MIB) / of_moovs for bytes_, of_moovs in zip(moved, moovs))
    result.targets = [
        ratio(f"wall, a film of {size}", 0.45, wall(ours), wall(curl), CURL),
        amount("bytes moved beyond 5 MiB, over those of the segments' moovs", 2.2, beyond, "times"),
    ]
    result.header = ("", "wall, s", "CPU, s", "moved, MiB")
    whole = 2 * SEGMENTS * bench.large / MIB
    result.rows = [
        (OURS, shown(wall(ours)), shown(cpu(ours)), shown(Spread.of(bytes_ / MIB for bytes_ in moved))),
        (CURL, shown(wall(curl)), shown(cpu(curl)), f"{whole:,.0f}"),
        (FFMPEG, shown(wall(by_ffmpeg)), shown(cpu(by_ffmpeg)), f"{whole:,.0f}"),
    ]
    result.notes = [f"The moovs of the segments have {shown(Spread.of(one / MIB for one in moovs))} MiB."]
    return result
