"""nginx: the host of the media, and in front of the store where that is to speak TLS or keep a log."""

import os
from dataclasses import dataclass
from pathlib import Path

from processes import HOST, Server, free_port

#: A line for each answer: when it ended, how long it took, and what it was.
LOG_FORMAT = "$msec $request_time $request_method $status $body_bytes_sent $request_length $uri?$args"


@dataclass(frozen=True)
class Entry:
    """A line of the log."""

    ended: float
    took: float
    method: str
    status: int
    sent: int
    #: With its headers.
    received: int
    target: str

    @property
    def began(self):
        """When the request came."""
        return self.ended - self.took

    @property
    def path(self):
        """Its path, without the query."""
        return self.target.partition("?")[0]

    @property
    def query(self):
        """Its query."""
        return self.target.partition("?")[2]


@dataclass(frozen=True)
class Site:
    """What one port serves: the files below `root`, each answer at `rate` (as nginx writes it), or
    what another port answers."""

    root: Path | None = None
    rate: str | None = None
    upstream: int | None = None


class Nginx:
    """A server of its own for some sites."""

    def __init__(self, program, folder, sites, certificate=None):
        """`certificate` is the pair of files that all sites speak TLS with."""
        self._folder = folder
        self.ports = [free_port() for _ in sites]
        self._tls = certificate
        self._log = folder / "access.log"
        (folder / "nginx.conf").write_text(self._configuration(sites))
        command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf")]
        self._server = Server(command, folder / "nginx.log", self.ports)

    @property
    def hosts(self):
        """Name and port of each site. The certificate is good for this name."""
        name = "localhost" if self._tls else HOST
        return [f"{name}:{port}" for port in self.ports]

    @property
    def process(self):
        """The process that others are children of."""
        return self._server.process

    def stop(self):
        """Ends it."""
        self._server.stop()

    def entries(self, site=0):
        """What was answered so far at one of its ports."""
        lines = Path(f"{self._log}.{site}").read_text().splitlines()
        return [entry(line) for line in lines if len(line.split(" ")) == 7]

    def forget(self):
        """Empties the logs."""
        for site in range(len(self.ports)):
            os.truncate(f"{self._log}.{site}", 0)

    def _configuration(self, sites):
        folder = self._folder
        temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "\n".join(f"    {kind}_temp_path {folder}/{kind};" for kind in temporary)
        servers = "".join(self._site(*site) for site in enumerate(zip(self.ports, sites)))
        # Files of a folder that nobody else may enter are read by their owner.
        user = "user root;" if os.geteuid() == 0 else ""
        return f"""{user}
daemon off;
worker_processes auto;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 1024; }}
http {{
{temporary}
    log_format bench '{LOG_FORMAT}';
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    client_max_body_size 0;
    default_type video/mp4;
{servers}}}
"""

    def _site(self, number, port_and_site):
        port, site = port_and_site
        tls = ""
        if self._tls:
            chain, key = self._tls
            tls = f"ssl_certificate {chain}; ssl_certificate_key {key};"
        if site.upstream:
            place = f"""location / {{
            proxy_pass http://upstream_{number};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Connection "";
            proxy_request_buffering off;
            proxy_buffering off;
        }}"""
            upstream = f"""    upstream upstream_{number} {{
        server {HOST}:{site.upstream};
        keepalive 32;
        keepalive_requests 1000000;
    }}
"""
        else:
            rate = f"limit_rate {site.rate};" if site.rate else ""
            place, upstream = f"root {site.root};\n        {rate}", ""
        return f"""{upstream}    server {{
        listen {HOST}:{port}{" ssl" if self._tls else ""};
        {tls}
        access_log {self._log}.{number} bench;
        {place}
    }}
"""


def entry(line):
    """Reads a line of the log."""
    ended, took, method, status, sent, received, target = line.split(" ")
    return Entry(float(ended), float(took), method, int(status), int(sent), int(received), target)
