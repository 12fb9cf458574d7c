"""Runs the marked blocks of a page as a reader would: in order, in one folder, beside a sandbox.

A comment directly above a fenced block says what is done with it:

- `<!-- run -->`: a shell runs it. It has to end well, within a minute.
- `<!-- run, exit N -->`: the same, and it has to end with N.
- `<!-- run in background -->`: a shell runs it until the page is over; it serves something. If a page starts a
  sandbox like this, there is no other.
- `<!-- write FILE -->`: it is written to a file of the folder.

On the usual ports 8600 to 8602 there is the sandbox of `demo`, with its store. A page with the comment
`<!-- beside an archive -->` has a `pipeline.toml`, secrets, and an archive of two small rooms instead: 354 with segments,
355 with a whole alone.
"""

import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PORTS = (8600, 8601, 8602)
SCENARIO = """
[[account]]
appid = "wx0123456789abcdef"
secret = "00112233445566778899aabbccddeeff"
[[account.room]]
id = 354
name = "春季新品首发"
start = "-2d"
[[account.room.replay]]
[[account.room.replay]]
[[account.room]]
id = 355
name = "周末夜谈"
start = "-3d"
[[account.room.replay]]
kind = "whole"
seconds = 6
"""
SETTINGS = """
[store]
endpoint = "http://127.0.0.1:8602"
bucket = "replays"
access_key = "sandbox"
[wechat]
base_url = "http://127.0.0.1:8600"
[media]
allow_hosts = ["127.0.0.1:8601"]
[images]
allow_hosts = ["127.0.0.1:8601"]
[[account]]
appid = "wx0123456789abcdef"
token = { secret_env = "WECHAT_SECRET" }
"""
SECRETS = """
export WECHAT_SECRET=00112233445566778899aabbccddeeff
export REPLAY_ARCHIVER_SECRET_KEY=sandbox-secret
"""
LONGEST = 60


class Wrong(Exception):
    """A block did not do what it is to do."""


class Reader:
    """Somebody who follows a page, in a folder of their own."""

    def __init__(self, program, folder):
        self.folder = Path(folder)
        (self.folder / "bin").mkdir()
        (self.folder / "bin" / "replay-archiver").symlink_to(program)
        self.work = self.folder / "work"
        self.work.mkdir()
        self._others = []
        keep = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
        self._environment = {
            **keep,
            "LANG": keep.get("LANG", "C.UTF-8"),
            "HOME": str(self.folder),
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
        }
        # What a block sets holds for those after it, as in a terminal.
        self._exported = self.folder / "exported"
        self._exported.write_text("")

    def start(self, script, ports):
        """Runs a script in the background, and waits for what it serves."""
        log = open(self.folder / f"background-{len(self._others)}.log", "wb")
        with log:
            self._others.append(
                subprocess.Popen(
                    ["bash", "-c", f". {self._exported}\n{script}"],
                    cwd=self.work,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )
        deadline = time.monotonic() + 20
        while not all(_listens(port) for port in ports):
            if self._others[-1].poll() is not None or time.monotonic() > deadline:
                raise Wrong(f"it serves nothing: {Path(log.name).read_text()[-2000:]}")
            time.sleep(0.05)

    def run(self, script, expected):
        """Runs a script that has to end with a code."""
        wrapped = f"set -aeuo pipefail\n. {self._exported}\n{script}\nexport -p >{self._exported}\n"
        done = subprocess.run(
            ["timeout", str(LONGEST), "bash", "-c", wrapped],
            cwd=self.work,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode != expected:
            said = done.stdout.decode(errors="replace")[-3000:]
            raise Wrong(f"it ended with {done.returncode}, and not with {expected}:\n{said}")

    def stop(self):
        """Ends what runs in the background."""
        for process in reversed(self._others):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()


def _listens(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def marked(page):
    """The blocks of a page that something is done with."""
    return [block for block in page.blocks if re.match(r"(run|write)\b", block.comment) and not _is_of_tests(block)]


def _is_of_tests(block):
    # Those are run by tests/it/docs/examples.rs.
    return block.comment.startswith("run against ")


def follow(path, page, program):
    """Runs the blocks of a page; raises `Wrong` at the first that goes wrong."""
    blocks = marked(page)
    with tempfile.TemporaryDirectory(prefix="replay-archiver-docs.") as folder:
        reader = Reader(program, folder)
        try:
            own = any(block.comment == "run in background" and " sandbox" in block.text for block in blocks)
            if "beside an archive" in page.comments:
                _archive(reader)
            elif not own:
                reader.start("exec replay-archiver sandbox --store objects", PORTS)
            for block in blocks:
                try:
                    _one(reader, block)
                except Wrong as wrong:
                    raise Wrong(f"{path}:{block.line}: {wrong}") from None
        finally:
            reader.stop()


def _archive(reader):
    (reader.folder / "scenario.toml").write_text(SCENARIO)
    (reader.work / "pipeline.toml").write_text(SETTINGS)
    reader.start(f"exec replay-archiver sandbox --scenario {reader.folder}/scenario.toml --store objects", PORTS)
    reader.run(f"{SECRETS}replay-archiver run", 0)


def _one(reader, block):
    writes = re.fullmatch(r"write ([\w./-]+)", block.comment)
    ends = re.fullmatch(r"run(?:, exit (\d+))?", block.comment)
    if writes:
        (reader.work / writes.group(1)).write_text(block.text)
    elif block.comment == "run in background":
        is_sandbox = " sandbox" in block.text
        listen = re.findall(r"127\.0\.0\.1:(\d+)", block.text)
        reader.start(block.text, PORTS if is_sandbox else [int(port) for port in listen] or [8080])
    elif ends:
        reader.run(block.text, int(ends.group(1) or 0))
    else:
        raise Wrong(f"what is to be done with it: {block.comment}?")
