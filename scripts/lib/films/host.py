"""A host of files that answers to ranges: the segments as WeChat's media host would serve them, and the films to a
browser."""

import http.server
import re
import threading
from pathlib import Path

from processes import HOST

PAGE = b"<!doctype html><meta charset=utf-8><title>film</title><video muted playsinline></video>"
RANGE = re.compile(r"bytes=(\d+)-(\d*)$")
AT_ONCE = 1 << 18


class Host:
    """Serves folders by name, `/<name>/<path>`, and an empty page with a video at `/`."""

    def __init__(self, **folders):
        handler = type("Handler", (_Handler,), {"folders": folders})
        self._server = _Server((HOST, 0), handler)
        self.address = f"{HOST}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self):
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Says nothing: clients break off when they have what they want."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folders = {}

    def do_GET(self):
        """A file, or a range of it."""
        self._answer(with_body=True)

    def do_HEAD(self):
        """How long a file is."""
        self._answer(with_body=False)

    def _answer(self, with_body):
        if self.path == "/":
            self._begin(200, "text/html; charset=utf-8", len(PAGE))
            self.wfile.write(PAGE if with_body else b"")
            return
        path = self._file()
        if path is None:
            self._begin(404, "text/plain", 0)
            return
        size = path.stat().st_size
        asked = RANGE.match(self.headers.get("range", ""))
        first = int(asked[1]) if asked else 0
        last = min(int(asked[2]) if asked and asked[2] else size - 1, size - 1)
        if first > last:
            self._begin(416, "text/plain", 0, {"content-range": f"bytes */{size}"})
            return
        more = {"content-range": f"bytes {first}-{last}/{size}"} if asked else {}
        self._begin(206 if asked else 200, "video/mp4", last - first + 1, more)
        if with_body:
            self._send(path, first, last - first + 1)

    def _file(self):
        name, _, rest = self.path.lstrip("/").partition("?")[0].partition("/")
        folder = self.folders.get(name)
        path = folder and Path(folder, rest).resolve()
        return path if path and path.is_relative_to(Path(folder).resolve()) and path.is_file() else None

    def _begin(self, status, kind, length, more=()):
        self.send_response(status)
        headers = {"content-type": kind, "content-length": str(length), "accept-ranges": "bytes", **dict(more)}
        for header, value in headers.items():
            self.send_header(header, value)
        self.end_headers()

    def _send(self, path, first, left):
        with open(path, "rb") as file:
            file.seek(first)
            while left > 0 and (some := file.read(min(left, AT_ONCE))):
                try:
                    self.wfile.write(some)
                except (BrokenPipeError, ConnectionResetError):
                    # The browser has seen enough.
                    self.close_connection = True
                    return
                left -= len(some)

    def log_message(self, *_):
        """Says nothing."""
