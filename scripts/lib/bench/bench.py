"""The bench: the programs, the folders, and the servers that experiments share."""

import contextlib
import itertools
import os
import subprocess
from dataclasses import dataclass
from functools import cached_property

import media
from garage import Garage
from measure import GIB, MIB, Failed
from nginx import Nginx
from processes import Folders
from sandbox import Sandbox


@dataclass(frozen=True)
class Programs:
    """Where they are."""

    archiver: str
    garage: str
    nginx: str
    rclone: str
    aws: str
    #: The folder of PostgreSQL's.
    postgres: str


class Bench:
    """What an experiment works with. As a context manager, so that everything ends with it."""

    def __init__(self, programs, quick, rounds):
        self.programs, self.quick = programs, quick
        #: How many runs of each contender count.
        self.rounds = rounds
        self._ends = contextlib.ExitStack()
        self._numbers = itertools.count(1)

    def __enter__(self):
        self.folders = Folders()
        self._ends.callback(self.folders.remove)
        return self

    def __exit__(self, *failure):
        return self._ends.__exit__(*failure)

    def folder(self, name):
        """A new folder on disk."""
        folder = self.folders.disk / f"{next(self._numbers)}-{name}"
        folder.mkdir()
        return folder

    def nginx(self, *sites, certificate=None):
        """An nginx, to be used in a `with`."""
        folder = self.folder("nginx")
        return stopping(Nginx(self.programs.nginx, folder, sites, certificate))

    def sandbox(self, scenario):
        """A sandbox, to be used in a `with`."""
        return stopping(Sandbox(self.programs.archiver, self.folder("sandbox"), scenario))

    @cached_property
    def garage(self):
        """The store, from the first time it is asked for to the end."""
        folder = self.folders.fast / "garage"
        folder.mkdir()
        garage = Garage(self.programs.garage, folder)
        self._ends.callback(garage.stop)
        return garage

    @cached_property
    def media(self):
        """The folder of the segments, in memory where there is room: the disk is not what is measured."""
        folder = self.folders.fast / "media"
        folder.mkdir()
        return folder

    def segment(self, size):
        """A segment of that size, made once."""
        path = self.media / f"segment-{size // MIB}.mp4"
        return path if path.exists() else media.make(path, size)

    def segments(self, size, count):
        """The same segment under so many names."""
        segment = self.segment(size)
        paths = [self.media / f"segment-{size // MIB}-{number}.mp4" for number in range(count)]
        for path in paths:
            if not path.exists():
                os.link(segment, path)
        return paths

    @property
    def large(self):
        """The size that CPU time and requests are measured with."""
        return GIB // 4 if self.quick else GIB

    @cached_property
    def authority(self):
        """The file that proves the certificate."""
        return self.certificate and self._certificates / "ca.pem"

    @cached_property
    def certificate(self):
        """A certificate for localhost and its key, by an authority that clients are told of."""
        folder = self._certificates
        new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        new += ["-nodes", "-days", "2"]
        self._openssl(*new, "-subj", "/CN=bench authority", "-keyout", "ca.key", "-out", "ca.pem")
        self._openssl(
            *new, "-subj", "/CN=localhost", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-addext", "basicConstraints=critical,CA:FALSE",
            "-keyout", "localhost.key", "-out", "localhost.pem",
        )
        return folder / "localhost.pem", folder / "localhost.key"

    @cached_property
    def _certificates(self):
        return self.folder("certificates")

    def _openssl(self, *command):
        done = subprocess.run(
            command, cwd=self._certificates, capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode:
            raise Failed(f"no certificate could be made: {done.stderr}")


@contextlib.contextmanager
def stopping(server):
    """Ends a server when it is no longer needed."""
    try:
        yield server
    finally:
        server.stop()
