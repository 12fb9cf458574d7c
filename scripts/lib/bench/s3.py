"""The store as the measuring itself needs it: where it is, presigned URLs, and looking at objects."""

import hashlib
import hmac
import http.client
import json
import ssl
import time
from dataclasses import dataclass, replace
from urllib.parse import quote

from measure import Failed

REGION = "us-east-1"
BUCKET = "replays"


@dataclass(frozen=True)
class Store:
    """A bucket at an address, with its keys; `ca` is the file that proves its certificate."""

    scheme: str
    host: str
    key: str
    secret: str
    ca: str | None = None

    @property
    def endpoint(self):
        """What clients are told."""
        return f"{self.scheme}://{self.host}"

    @property
    def port(self):
        """Where it listens."""
        return int(self.host.rpartition(":")[2])

    def at(self, host, ca=None):
        """The same bucket by another way, over TLS where `ca` is given."""
        return replace(self, scheme="https" if ca else "http", host=host, ca=ca)

    def presigned(self, method, key):
        """A URL that is good for an hour."""
        return self.endpoint + self._target(method, key)

    def _target(self, method, key):
        at = time.gmtime()
        stamp, day = time.strftime("%Y%m%dT%H%M%SZ", at), time.strftime("%Y%m%d", at)
        scope = f"{day}/{REGION}/s3/aws4_request"
        path = f"/{BUCKET}/{quote(key)}"
        query = "&".join(
            f"{name}={quote(value, safe='')}"
            for name, value in [
                ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
                ("X-Amz-Credential", f"{self.key}/{scope}"),
                ("X-Amz-Date", stamp),
                ("X-Amz-Expires", "3600"),
                ("X-Amz-SignedHeaders", "host"),
            ]
        )
        request = f"{method}\n{path}\n{query}\nhost:{self.host}\n\nhost\nUNSIGNED-PAYLOAD"
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
        signing_key = f"AWS4{self.secret}".encode()
        for part in (day, REGION, "s3", "aws4_request"):
            signing_key = hmac.digest(signing_key, part.encode(), "sha256")
        signature = hmac.new(signing_key, text.encode(), "sha256").hexdigest()
        return f"{path}?{query}&X-Amz-Signature={signature}"

    def _ask(self, method, key, sent=None):
        if self.scheme == "https":
            trust = ssl.create_default_context(cafile=self.ca)
            connection = http.client.HTTPSConnection(self.host, timeout=30, context=trust)
        else:
            connection = http.client.HTTPConnection(self.host, timeout=30)
        try:
            connection.request(method, self._target(method, key), body=sent)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise Failed(f"{method} {key}: the store says {answer.status}: {body[:300]}")
        return answer, body

    def size(self, key):
        """The length of an object, which has to be there."""
        answer, _ = self._ask("HEAD", key)
        return int(answer.headers["Content-Length"])

    def put(self, key, body):
        """Stores an object."""
        self._ask("PUT", key, body)

    def json(self, key):
        """An object that is JSON."""
        return json.loads(self._ask("GET", key)[1])
