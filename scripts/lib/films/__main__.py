"""Stitches rooms of ffmpeg's making, and watches the films in Chromium, for `scripts/test-films`."""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import corpus
import watched
from archiver import Archiver
from host import Host
from measure import Failed
from processes import HOST, Server, free_port
from s3 import BUCKET, Store
from sandbox import APPID, account, room as room_of
from webdriver import Chromedriver, expect

PREFIX = "films"
STORE_KEY, STORE_SECRET = "sandbox", "sandbox-secret"
#: Looks at pictures of each room: 200 together.
SEEKS = 50
#: A packet of sound: nothing of it is shorter.
PACKET = 1024 / 44100


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/test-films", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only rooms that are called like this")
    parser.add_argument("--long", action="store_true", help="look at every picture of each film")
    parser.add_argument("--program", type=Path, required=True, help=argparse.SUPPRESS)
    return parser.parse_args()


class World:
    """A sandbox whose rooms have the segments of the corpus, its store, and what the program made of them."""

    def __init__(self, program, folder, rooms):
        self.objects = folder / "objects"
        media = folder / "media"
        media.mkdir()
        self.host = Host(media=media, objects=self.objects / BUCKET)
        self._servers = []
        #: The files of each room's segments, in order.
        self.segments = {}
        try:
            self._archive(program, folder, rooms, media)
        except BaseException:
            self.stop()
            raise

    def _archive(self, program, folder, rooms, media):
        listed = account()
        for room in rooms:
            paths = self.segments[room] = corpus.make(room, media)
            listed += room_of(room.number, [f"http://{self.host.address}/media/{path.name}" for path in paths])
        (folder / "scenario.toml").write_text(listed)
        api, vod, store = free_port(), free_port(), free_port()
        command = [program, "sandbox", "--scenario", str(folder / "scenario.toml"), "--store", str(self.objects)]
        command += ["--api-port", str(api), "--vod-port", str(vod), "--store-port", str(store)]
        self._servers.append(Server(command, folder / "sandbox.log", [api, vod, store]))
        self.store = Store("http", f"{HOST}:{store}", STORE_KEY, STORE_SECRET)
        self.archiver = Archiver(
            program, folder, None, self.store, [self.host.address], prefix=PREFIX, api=f"http://{HOST}:{api}"
        )
        self.archiver.output("run")
        told = self.archiver.summary("stitch", "--all")
        expect("every room is stitched", told["stitched"] == len(rooms) and told["left"] == 0, told)
        # Reads every byte of each film, and compares its CRC-64s with those that were known before it was made.
        self.archiver.output("verify", "--deep")

    def film(self, room):
        """What the manifest of a room says of its film, and the path of it below the bucket."""
        folder = f"{PREFIX}/{APPID}/rooms/{room.number}"
        manifest = self.store.json(f"{folder}/manifest.json")
        return manifest["playback"]["stitched"], f"{folder}/{manifest['playback']['stitched']['key']}"

    def path(self, key):
        """The file of an object."""
        return self.objects / BUCKET / key

    def stop(self):
        """Ends everything."""
        for server in reversed(self._servers):
            server.stop()
        self.host.stop()


def probe(path, *more):
    """What ffprobe says of a film, about which it must not complain."""
    command = ["ffprobe", "-v", "warning", "-of", "json", *more, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode or done.stderr.strip():
        raise Failed(f"ffprobe complains: {done.stderr.strip()[:500]}")
    return json.loads(done.stdout)


def shown(path, stream):
    """When each packet of a stream begins to be shown, in seconds."""
    packets = probe(path, "-select_streams", stream, "-show_entries", "packet=pts_time")["packets"]
    return [float(packet["pts_time"]) for packet in packets]


def end(path, stream):
    """When the last packet of a stream ends, in seconds."""
    entries = "packet=pts_time,duration_time"
    packets = probe(path, "-select_streams", stream, "-show_entries", entries)["packets"]
    return max(float(packet["pts_time"]) + float(packet["duration_time"]) for packet in packets)


def check_ends(room, path, film):
    """Sound and pictures end together, and when the manifest says."""
    pictures, sound = end(path, "v"), end(path, "a")
    frame = max(float(1 / room.fps), PACKET)
    expect(f"both tracks of {room.name!r} end within a frame", abs(pictures - sound) <= frame + 0.001, (pictures, sound))
    told = film["duration_ms"] / 1000
    expect(f"{room.name!r} is as long as said", abs(max(pictures, sound) - told) <= frame, (pictures, sound, told))


def conduct(world, browser, rooms, is_long):
    """Looks at the film of each room. One that is wrong does not keep the others from being looked at."""
    failed = []
    for room in rooms:
        began = time.monotonic()
        try:
            film, key = world.film(room)
            check_ends(room, world.path(key), film)
            begins = [point["film_ms"] for point in film["time_map"]]
            count = sum(room.lengths()) if is_long else SEEKS
            middles = watched.times(room, begins, [shown(path, "v") for path in world.segments[room]])
            duration = watched.look(browser, f"http://{world.host.address}/objects/{key}", room, middles, count)
            expect("Chromium thinks so too", abs(duration - film["duration_ms"] / 1000) < 0.1, duration)
            verdict = "right"
        except Failed as failure:
            failed.append(room.name)
            verdict = f"WRONG: {failure}"
        print(f"== {room.name}: {count_of(room)}, {verdict} in {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
    return failed


def count_of(room):
    """What a room has, in words."""
    return f"{room.segments} segments, {sum(room.lengths())} pictures"


def main():
    """The exit code."""
    given = arguments()
    rooms = [room for room in corpus.ROOMS if not given.names or any(name in room.name for name in given.names)]
    if not rooms:
        print(f"no room is called like that: {', '.join(room.name for room in corpus.ROOMS)}", file=sys.stderr)
        return 2
    # A time limit ends what was started as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="replay-archiver-films."))
    world = driver = None
    try:
        world = World(str(given.program.absolute()), folder, rooms)
        driver = Chromedriver(folder)
        with driver.browser("en-US") as browser:
            browser.open(f"http://{world.host.address}/")
            failed = conduct(world, browser, rooms, given.long)
    finally:
        for started in (driver, world):
            if started:
                started.stop()
    if failed:
        print(f"failed: {', '.join(failed)}; everything is in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
