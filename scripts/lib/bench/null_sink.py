"""An S3 store that forgets: it takes parts as fast as the kernel gives them and keeps only how long
they were; small objects it keeps. It checks nothing, no signature, no digest, and repeats a part's
CRC-64/NVME as stores do that have checked it.

    python3 null_sink.py PORT

For measuring clients where a real store would be what everybody waits for."""

import socket
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit

#: Objects up to this length are kept.
SMALL = 1 << 20
CHECKSUM = "x-amz-checksum-crc64nvme"
ETAG = '"00000000000000000000000000000000"'

lock = threading.Lock()
#: By key: the length, and the body where it is kept.
objects = {}
#: By upload id: the lengths of parts by their number.
uploads = {}


class Handler(BaseHTTPRequestHandler):
    """One connection. A key is the path, bucket included."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # Unbuffered, so that bodies are still in the kernel when they are to be dropped; the headers
    # are read a byte at a time, which for a request of 8 MiB is nothing.
    rbufsize = 0
    wbufsize = -1

    def do_HEAD(self):
        """Of an object, or of the bucket."""
        if self.target()[0].strip("/").count("/") == 0:
            return self.answer(200)
        found = objects.get(self.target()[0])
        if not found:
            return self.answer(404)
        return self.answer(200, length=found[0], ETag=ETAG)

    def do_GET(self):
        """Of an object that was kept; a listing is empty."""
        path, query = self.target()
        if "list-type" in query or "uploads" in query or path.strip("/").count("/") == 0:
            return self.answer(200, b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
        found = objects.get(path)
        if not found or found[1] is None:
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        return self.answer(200, found[1], ETag=ETAG)

    def do_PUT(self):
        """Of an object or a part."""
        path, query = self.target()
        length = int(self.headers["Content-Length"])
        if self.headers.get("Content-Encoding", "").startswith("aws-chunked"):
            return self.answer(501)
        body = self.rfile.read(length) if length <= SMALL else self.drop(length)
        with lock:
            if "partNumber" in query:
                uploads[query["uploadId"][0]][int(query["partNumber"][0])] = length
            else:
                objects[path] = (length, body)
        checksum = self.headers.get(CHECKSUM)
        return self.answer(200, ETag=ETAG, **({CHECKSUM: checksum} if checksum else {}))

    def do_POST(self):
        """The beginning and the end of an upload."""
        path, query = self.target()
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with lock:
            if "uploads" in query:
                upload = str(len(uploads) + 1)
                uploads[upload] = {}
                kind, inner = "InitiateMultipartUploadResult", f"<UploadId>{upload}</UploadId>"
            else:
                objects[path] = (sum(uploads[query["uploadId"][0]].values()), None)
                kind, inner = "CompleteMultipartUploadResult", f"<ETag>{ETAG}</ETag>"
        self.answer(200, f"<{kind}><Key>{path}</Key>{inner}</{kind}>".encode())

    def handle_expect_100(self):
        """Lets the client go on at once."""
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def target(self):
        """Path and query."""
        parts = urlsplit(self.path)
        return unquote(parts.path), parse_qs(parts.query, keep_blank_values=True)

    def drop(self, length):
        """Lets the kernel forget what comes, without copying it."""
        while length:
            dropped = len(self.connection.recv(min(length, SMALL), socket.MSG_TRUNC))
            if not dropped:
                raise ConnectionError
            length -= dropped

    def answer(self, status, body=b"", length=None, **headers):
        """Sends an answer; `length` is that of a HEAD."""
        self.send_response_only(status)
        for name, value in {"Content-Length": length if length is not None else len(body), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A thread for each connection."""

    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        """A client that has gone away is no news."""


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
