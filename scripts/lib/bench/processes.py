"""Processes that serve: started with a log, waited for by their port, ended by their id."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from measure import GIB, Failed, tail

HOST = "127.0.0.1"


def free_port():
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def listens(port):
    """Whether something does."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


class Server:
    """One of them."""

    def __init__(self, command, log, ports, env=None, stop_signal=signal.SIGTERM):
        self.log, self._stop_signal = log, stop_signal
        with open(log, "ab") as sink:
            self.process = subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink
            )
        try:
            for port in ports:
                self._await(port)
        except BaseException:
            self.stop()
            raise

    def _await(self, port):
        deadline = time.monotonic() + 60
        while not listens(port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"nothing listens on port {port}: {tail(self.log)}")
            time.sleep(0.02)

    def stop(self):
        """Ends it, by force where it does not end in ten seconds."""
        if self.process.poll() is None:
            self.process.send_signal(self._stop_signal)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Folders:
    """Temporary folders, removed at the end: one on disk, one in memory where there is room."""

    def __init__(self):
        self._made = []
        self.disk = self.make("/tmp")
        shared = Path("/dev/shm")
        has_room = shared.is_dir() and shutil.disk_usage(shared).free > 8 * GIB
        self.fast = self.make(shared) if has_room else self.disk

    def make(self, where):
        """One more."""
        folder = Path(tempfile.mkdtemp(prefix="replay-archiver-bench.", dir=where))
        self._made.append(folder)
        return folder

    def remove(self):
        """Removes all of them."""
        for folder in self._made:
            shutil.rmtree(folder, ignore_errors=True)
