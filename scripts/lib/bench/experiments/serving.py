"""`serving`: a search in a hundred thousand rooms while the catalog changes, and films that pass through,
beside nginx."""

import json
import os
import random
import statistics
import threading
import time
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

from archiver import table
from measure import GIB, MIB, Failed, Spread
from nginx import Site
from processes import HOST, Server, free_port
from results import Result, amount, ratio, shown
from s3 import BUCKET
from sandbox import APPID

ROOMS = 100_000
#: Requests a second, and how many connections send them.
RATE, CONNECTIONS = 200, 16
WORDS = "双11 新品 首发 口红 会员日 满减 春季 夏日 专场 福利 秒杀 Lipstick Night VIP 龙井茶 青瓷 礼盒".split()
ROOMS_PATH = f"/api/v1/accounts/{APPID}/rooms"
TICKS = os.sysconf("SC_CLK_TCK")


def measure(bench):
    """A server on one core for the search, and one on all of them for films."""
    result = Result(
        "serving", "`serve`: a large catalog, and films that pass through",
        f"{ROOMS:,} rooms, searched and paged at {RATE} requests a second on one core; after a quarter of the time a "
        "new catalog is published. A film is fetched by one client through `serve` and through nginx's "
        "`proxy_pass`, in turn; CPU is that of the server's processes, by the kernel's account.",
    )
    result.header = ("", "least / middle / most")
    search(bench, result)
    films(bench, result)
    return result


class Serve:
    """A running `serve`, as a Server with its port."""

    def __init__(self, bench, prefix, cores=None):
        folder, self.port = bench.folder("serve"), free_port()
        store = bench.garage.store
        config = folder / "pipeline.toml"
        config.write_text(
            table("store", endpoint=store.endpoint, bucket=BUCKET, prefix=prefix, access_key=store.key,
                  secret_key_env="STORE_SECRET", region="us-east-1")
            + table("serve", listen=f"{HOST}:{self.port}", media="proxy")
        )
        command = [bench.programs.archiver, "--config", str(config), "--log", "warn", "serve"]
        pinned = ["taskset", "-c", cores] if cores else []
        env = {"STORE_SECRET": store.secret, "PATH": "/usr/bin:/bin"}
        self.server = Server([*pinned, *command], folder / "serve.log", [self.port], env)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.server.stop()

    @property
    def peak(self):
        """The most memory that it has had, in bytes."""
        status = Path(f"/proc/{self.server.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024

    def json(self, path):
        """The JSON of an answer."""
        connection = HTTPConnection(HOST, self.port, timeout=60)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise Failed(f"{path}: {answer.status} {body[:300]}")
        return json.loads(body)


def search(bench, result):
    """Latency and memory of a search."""
    seconds = 16 if bench.quick else 40
    key = f"serving/{APPID}/catalog.json"
    bench.garage.store.put(key, catalog(0))
    with Serve(bench, "serving", cores="0") as serve:
        first = serve.json(ROOMS_PATH)
        if first["total"] != ROOMS:
            raise Failed(f"there are {first['total']} rooms")
        publish = threading.Timer(seconds / 4, bench.garage.store.put, (key, catalog(1)))
        publish.start()
        latencies = load(serve.port, seconds)
        publish.join()
        if serve.json(ROOMS_PATH)["published_at"] == first["published_at"]:
            raise Failed("the new catalog was not read")
        peak = Spread.one(serve.peak / MIB)
    last = statistics.quantiles(latencies, n=100)[98]
    result.targets += [
        amount("99 of 100 answers to a search come within", 50, Spread.one(last), "ms"),
        amount("memory at peak, a new catalog included", 96, peak, "MiB"),
    ]
    result.rows += [
        ("a search, ms", shown(Spread.of(latencies))),
        ("of 100 searches the 99th, ms", shown(Spread.one(last))),
        ("memory at peak, MiB", shown(peak)),
    ]


def catalog(edition):
    """The text of a large catalog."""
    chance = random.Random(edition)
    rooms = [room(number, chance) for number in range(1, ROOMS + 1)]
    head = {"schema": "replay-archiver/catalog/v1", "appid": APPID, "published_at": f"2026-11-2{edition}T03:00:00Z"}
    return json.dumps({**head, "rooms": rooms}, ensure_ascii=False).encode()


def room(number, chance):
    """A room of it."""
    at = time.gmtime(1_600_000_000 + 1_500 * number)
    return {
        "room_id": number,
        "name": f"{' '.join(chance.sample(WORDS, 3))} 第{number}场",
        "live_status": 103,
        "start_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", at),
        "end_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", at),
        "status": chance.choice(["complete", "partial", "lost", None]),
        "manifest_key": f"rooms/{number}/manifest.json",
        "manifest_sha256": f"{chance.getrandbits(256):064x}",
        "anchor_name": chance.choice(["小雨", "阿杰", "Amy"]),
        "cover": f"rooms/{number}/images/cover.jpg",
        "duration_ms": 3_600_000,
        "bytes": 1_000_000_000,
        "listed_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", at),
    }


def load(port, seconds):
    """Milliseconds of each answer, from when its request was due."""
    began, latencies, failures = time.monotonic() + 0.2, [], []
    work = range(RATE * seconds)

    def send(first):
        connection, chance = HTTPConnection(HOST, port, timeout=30), random.Random(first)
        cursor = None
        for number in work[first::CONNECTIONS]:
            due = began + number / RATE
            time.sleep(max(0, due - time.monotonic()))
            connection.request("GET", f"{ROOMS_PATH}?{urlencode(query(chance, cursor))}")
            answer = connection.getresponse()
            body = answer.read()
            latencies.append((time.monotonic() - due) * 1000)
            if answer.status != 200:
                failures.append(body[:200])
                return
            cursor = json.loads(body)["next_cursor"] if number % 50 == 0 else cursor

    senders = [threading.Thread(target=send, args=(first,)) for first in range(CONNECTIONS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    if failures or len(latencies) != len(work):
        raise Failed(f"{len(latencies)} of {len(work)} answers: {failures[:1]}")
    return latencies


def query(chance, cursor):
    """What somebody might look for."""
    asked = {"q": " ".join(chance.sample(WORDS, chance.choice([0, 1, 1, 2])))}
    if chance.random() < 0.3:
        asked["status"] = "complete"
    if chance.random() < 0.2:
        asked["order"] = "oldest"
    if cursor and chance.random() < 0.4:
        asked["cursor"] = cursor
    return asked


def films(bench, result):
    """CPU for a GiB that passes through."""
    size, store = bench.large, bench.garage.store
    folder = f"films/{APPID}/rooms/1/"
    store.put(f"{folder}segments/a.mp4", bench.segment(size).read_bytes())
    store.put(f"{folder}manifest.json", manifest(size))
    with Serve(bench, "films") as serve, bench.nginx(Site(upstream=store.port)) as nginx:
        playback = serve.json(f"{ROOMS_PATH}/1/playback")
        ours = f"http://{HOST}:{serve.port}{playback['segments'][0]['url']}"
        theirs = store.at(nginx.hosts[0]).presigned("GET", f"{folder}segments/a.mp4")
        costs = {"serve": [], "nginx": []}
        for turn in range(-1, bench.rounds):
            for name, url, process in (("serve", ours, serve.server.process), ("nginx", theirs, nginx.process)):
                cost = fetch(url, size, process.pid)
                if turn >= 0:
                    costs[name].append(cost)
    spreads = {name: Spread.of(cost) for name, cost in costs.items()}
    what = "CPU of a GiB that passes through, over that of nginx"
    result.targets.append(ratio(what, 1.0, spreads["serve"], spreads["nginx"], "nginx"))
    result.rows += [(f"{name}, CPU seconds a GiB", shown(spread)) for name, spread in spreads.items()]


def manifest(size):
    """The manifest of a room with one segment."""
    segment = {
        "index": 1, "state": "archived", "reason": None, "key": "segments/a.mp4", "content_type": "video/mp4",
        "bytes": size, "sha256": None, "crc64nvme": None, "crc64xz": None, "object": None, "source": {},
        "evidence": [], "media": None, "timeline": None, "archived_at": None,
    }
    return json.dumps({
        "schema": "replay-archiver/room-manifest/v1", "revision": 1, "previous": None,
        "generator": {"name": "replay-archiver", "version": "0", "run_id": "bench"},
        "published_at": "2026-11-22T03:00:00Z",
        "room": {"appid": APPID, "room_id": 1, "name": "", "anchor_name": "", "live_status": 103,
                 "start_time": None, "end_time": None, "goods": [], "images": []},
        "status": "complete",
        "completeness": {"announced": 1, "listed": 1, "archived": 1, "expired": 0, "failed": 0, "rejected": 0,
                         "not_needed": 0, "settled": True, "listed_at": None},
        "totals": {"bytes": size, "duration_ms": 0},
        "segments": [segment], "whole": None,
        "playback": {"preferred": "segments", "duration_ms": 0, "keys": ["segments/a.mp4"], "durations_ms": [0],
                     "uniform_codecs": True},
    }).encode()


def fetch(url, size, pid):
    """CPU seconds a GiB of a process and its children, while a film is fetched through it."""
    before = cpu_of(pid)
    host, _, path = url.removeprefix("http://").partition("/")
    connection = HTTPConnection(host, timeout=600)
    connection.request("GET", f"/{path}")
    answer, got, buffer = connection.getresponse(), 0, bytearray(MIB)
    while count := answer.readinto(buffer):
        got += count
    if (answer.status, got) != (200, size):
        raise Failed(f"{host}: {answer.status}, {got} of {size} bytes")
    return (cpu_of(pid) - before) * GIB / size


def cpu_of(pid):
    """CPU seconds of a process and of the children that it has."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    stats = [Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split() for one in (pid, *children)]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / TICKS
