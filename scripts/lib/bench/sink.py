"""The null sink, to be used in a `with`."""

import contextlib
import sys
from pathlib import Path

from bench import stopping
from processes import HOST, Server, free_port
from s3 import Store


@contextlib.contextmanager
def null_sink(bench):
    """A store that costs next to nothing and forgets what it gets."""
    port = free_port()
    command = [sys.executable, str(Path(__file__).parent / "null_sink.py"), str(port)]
    with stopping(Server(command, bench.folder("sink") / "log", [port])):
        yield Store("http", f"{HOST}:{port}", "sink", "sink-secret")
