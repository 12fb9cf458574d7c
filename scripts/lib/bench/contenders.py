"""The programs that move segments from a host to the store: ours, and what people use instead.

Each has a name and `run()`, which moves the same segments to a place of their own, checks that they
arrived, and returns what it took."""

import csv
import itertools

from archiver import Archiver, size_of
from measure import Failed, run, run_pipe, run_steps
from s3 import BUCKET, REGION

#: Of names in the store: no run finds what another has left.
NUMBERS = itertools.count(1)

ROOM = 1
OURS, RCLONE, FLOOR, AWS = "replay-archiver", "rclone copyurl", "floor", "curl | aws s3 cp"


def plain_env(**more):
    """An environment without the proxies and configurations of the person who measures."""
    return {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **more}


class Ours:
    """`backfill` of the one room whose segments are the given ones; at its defaults, but for `more`."""

    name = OURS

    def __init__(self, bench, sandbox, store, media_host, segments, *, more="", name=OURS, timeout=600):
        self.bench, self.sandbox, self.store, self.media_host = bench, sandbox, store, media_host
        self.segments, self.more, self.name, self.timeout = segments, more, name, timeout

    def archiver(self):
        """A new ledger, a new prefix."""
        return Archiver(
            self.bench.programs.archiver, self.bench.folder("ours"), self.sandbox, self.store,
            [self.media_host], prefix=f"ours-{next(NUMBERS)}", more=self.more,
        )

    def run(self):
        """One run."""
        archiver = self.archiver()
        usage = archiver.measure("backfill", "--room", str(ROOM), timeout=self.timeout)
        archiver.expect_archived(ROOM, len(self.segments), size_of(self.segments[0]))
        return usage


class Rclone:
    """`rclone copyurl`, to a remote that only the environment knows."""

    name = RCLONE

    def __init__(self, bench, store, urls, segment, *, flags=(), timeout=900):
        self.bench, self.store, self.urls, self.segment = bench, store, urls, segment
        self.flags, self.timeout = list(flags), timeout

    def run(self):
        """One run."""
        folder, prefix = self.bench.folder("rclone"), f"rclone-{next(NUMBERS)}"
        names = [f"{number}.mp4" for number in range(len(self.urls))]
        command = self.command(folder, prefix, names)
        usage = run(command, self.env(), folder / "rclone.log", self.timeout)
        for name in names:
            arrived(self.store, f"{prefix}/{name}", self.segment)
        return usage

    def command(self, folder, prefix, names):
        """Its command line: for one URL, or for a list of them."""
        remote = f"bench:{BUCKET}/{prefix}"
        if len(names) == 1:
            where = [self.urls[0], f"{remote}/{names[0]}"]
        else:
            with open(folder / "urls.csv", "w", newline="") as urls:
                csv.writer(urls).writerows(zip(self.urls, names))
            where = ["--urls", str(folder / "urls.csv"), remote]
        trust = ["--ca-cert", str(self.store.ca)] if self.store.ca else []
        return [self.bench.programs.rclone, "copyurl", *where, "--config=", *trust, *self.flags]

    def env(self):
        """The remote."""
        remote = {
            "TYPE": "s3", "PROVIDER": "Other", "ACCESS_KEY_ID": self.store.key,
            "SECRET_ACCESS_KEY": self.store.secret, "ENDPOINT": self.store.endpoint,
            "REGION": REGION, "FORCE_PATH_STYLE": "true", "NO_CHECK_BUCKET": "true",
        }
        return plain_env(**{f"RCLONE_CONFIG_BENCH_{key}": value for key, value in remote.items()})


class Floor:
    """The least that it takes: `curl` down, `openssl` over the file, `curl` up, added. It moves the
    segment without keeping what it fetched."""

    name = FLOOR

    def __init__(self, bench, store, url, segment):
        self.bench, self.store, self.url, self.segment = bench, store, url, segment

    def run(self):
        """One run."""
        key = f"floor-{next(NUMBERS)}/segment.mp4"
        trust = ["--cacert", str(self.store.ca)] if self.store.ca else []
        curl = ["curl", "--silent", "--show-error", "--fail", *trust]
        steps = [
            [*curl, "--output", "/dev/null", self.url],
            ["openssl", "dgst", "-sha256", str(self.segment)],
            [*curl, "--upload-file", str(self.segment), self.store.presigned("PUT", key)],
        ]
        usage = run_steps(steps, plain_env(), self.bench.folder("floor") / "log", 300)
        arrived(self.store, key, self.segment)
        return usage


class Aws:
    """`curl | aws s3 cp -`."""

    name = AWS

    def __init__(self, bench, store, url, segment):
        self.bench, self.store, self.url, self.segment = bench, store, url, segment

    def run(self):
        """One run."""
        key = f"aws-{next(NUMBERS)}/segment.mp4"
        trust = ["--cacert", str(self.store.ca)] if self.store.ca else []
        fetch = ["curl", "--silent", "--show-error", "--fail", *trust, self.url]
        send = [self.bench.programs.aws, "s3", "cp", "-", f"s3://{BUCKET}/{key}",
                "--endpoint-url", self.store.endpoint, "--expected-size", str(size_of(self.segment))]
        env = plain_env(
            AWS_ACCESS_KEY_ID=self.store.key, AWS_SECRET_ACCESS_KEY=self.store.secret,
            AWS_DEFAULT_REGION=REGION, AWS_EC2_METADATA_DISABLED="true",
            **({"AWS_CA_BUNDLE": str(self.store.ca)} if self.store.ca else {}),
        )
        usage = run_pipe(fetch, send, env, self.bench.folder("aws") / "log", 300)
        arrived(self.store, key, self.segment)
        return usage


def arrived(store, key, segment):
    """Fails unless the object is as long as the segment."""
    size = store.size(key)
    if size != size_of(segment):
        raise Failed(f"{key} has {size} bytes instead of {size_of(segment)}")
