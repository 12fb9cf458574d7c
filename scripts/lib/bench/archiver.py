"""The program that is measured: its configuration, its runs, and what has to hold after them."""

import json
import subprocess
from pathlib import Path

from measure import Client, Failed, run, tail
from s3 import BUCKET
from sandbox import APPID, SECRET


def table(name, **keys):
    """A table of TOML whose values are texts, numbers, truths or lists of texts."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return "\n".join([f"[{name}]", *lines, ""])


class Archiver:
    """A configuration in a folder of its own, with a new ledger and a new prefix in the store.

    Whatever `more` does not set is as the program sets it by itself."""

    def __init__(self, program, folder, sandbox, store, media_hosts, *, prefix, more="", ledger=None,
                 appids=(APPID,), api=None):
        self.program, self.store, self.prefix = program, store, prefix
        self.log = folder / "archiver.log"
        self.config = folder / "pipeline.toml"
        self.ledger = ledger or f"sqlite:{folder}/ledger.sqlite"
        accounts = "".join(
            f'[[account]]\nappid = "{appid}"\ntoken = {{ secret_env = "APP_SECRET" }}\n'
            for appid in appids
        )
        self.config.write_text(
            table("ledger", url=self.ledger)
            + table("store", endpoint=store.endpoint, bucket=BUCKET, prefix=prefix,
                    access_key=store.key, secret_key_env="STORE_SECRET")
            + table("wechat", base_url=api or sandbox.api)
            + table("media", allow_hosts=media_hosts)
            + table("images", archive=False)
            + more
            + accounts
        )

    def env(self):
        """Nothing of the environment but this."""
        env = {"APP_SECRET": SECRET, "STORE_SECRET": self.store.secret, "PATH": "/usr/bin:/bin"}
        if self.store.ca:
            env["SSL_CERT_FILE"] = str(self.store.ca)
        return env

    def command(self, *arguments):
        """The command line of one of its commands."""
        return [self.program, "--config", str(self.config), *arguments]

    def start(self, *arguments, timeout=600):
        """Starts a command, to be measured."""
        return Client(self.command(*arguments), self.env(), self.log, timeout)

    def measure(self, *arguments, timeout=600):
        """Runs a command that has to end with 0."""
        return run(self.command(*arguments), self.env(), self.log, timeout)

    def output(self, *arguments, timeout=600, codes=(0,)):
        """What a command prints."""
        with open(self.log, "ab") as log:
            done = subprocess.run(
                self.command(*arguments), env=self.env(), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=log, timeout=timeout, text=True, check=False,
            )
        if done.returncode not in codes:
            raise Failed(f"{arguments[0]} ended with {done.returncode}: {tail(self.log)}")
        return done.stdout

    def summary(self, *arguments, **options):
        """The last object that a command prints with --json."""
        return json.loads(self.output("--json", *arguments, **options).splitlines()[-1])

    def expect_archived(self, room, count, size, appid=APPID):
        """Fails unless the manifest of a room says that so many segments of that size are archived."""
        manifest = self.store.json(f"{self.prefix}/{appid}/rooms/{room}/manifest.json")
        found = [
            (segment["state"], segment["bytes"] == self.store.size(self._key(room, segment, appid)) == size)
            for segment in manifest["segments"]
        ]
        if manifest["status"] != "complete" or found != [("archived", True)] * count:
            raise Failed(f"room {room} is {manifest['status']}, its segments {found}: {tail(self.log)}")

    def _key(self, room, segment, appid):
        return f"{self.prefix}/{appid}/rooms/{room}/{segment['key']}"

    def segment_keys(self, room, appid=APPID):
        """The keys of a room's segments in the bucket."""
        manifest = self.store.json(f"{self.prefix}/{appid}/rooms/{room}/manifest.json")
        return [self._key(room, segment, appid) for segment in manifest["segments"]]


def size_of(path):
    """The length of a file."""
    return Path(path).stat().st_size
