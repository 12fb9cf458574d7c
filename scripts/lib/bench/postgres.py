"""A PostgreSQL server that is thrown away, with a database for each ledger."""

import os
import shutil
import signal
import subprocess

from measure import Failed
from processes import HOST, Server, free_port


class Postgres:
    """The server. It refuses to be root, who therefore runs it as its own user."""

    def __init__(self, programs, folder):
        self._programs = programs
        self._as_owner = []
        if os.geteuid() == 0:
            self._as_owner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
            shutil.chown(folder, "postgres", "postgres")
        self._do(
            *self._as_owner, f"{programs}/initdb", f"--pgdata={folder}/data", "--username=bench",
            "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", cwd="/",
        )
        self.port = free_port()
        settings = {
            "listen_addresses": HOST, "unix_socket_directories": "", "fsync": "off",
            "max_connections": "200", "shared_buffers": "256MB", "max_wal_size": "8GB",
            "maintenance_work_mem": "512MB",
        }
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [*self._as_owner, f"{programs}/postgres", "-D", f"{folder}/data", "-p", str(self.port)]
        self._server = Server(
            command + flags, folder / "log", [self.port], stop_signal=signal.SIGQUIT
        )

    def create(self, name):
        """A new database: its URL."""
        self._do(f"{self._programs}/createdb", *self._where(), name)
        return f"postgres://bench@{HOST}:{self.port}/{name}"

    def execute(self, name, statements, timeout=600):
        """Executes statements in a database."""
        command = [f"{self._programs}/psql", *self._where(), "-q", "-v", "ON_ERROR_STOP=1", "-d", name]
        self._do(*command, "-f", "-", stdin=statements, timeout=timeout)

    def _where(self):
        return "-h", HOST, "-p", str(self.port), "-U", "bench"

    def _do(self, *command, cwd=None, stdin=None, timeout=120):
        done = subprocess.run(
            command, cwd=cwd, input=stdin or "", capture_output=True, text=True, timeout=timeout,
            check=False,
        )
        if done.returncode:
            raise Failed(f"PostgreSQL: {done.stderr.strip()[-800:]}")

    def stop(self):
        """Ends it, without a word to its clients."""
        self._server.stop()
