"""Garage, the store that everything is measured with: one node, one copy."""

import subprocess

from measure import Failed
from processes import HOST, Server, free_port
from s3 import BUCKET, REGION, Store

KEY = "GK00112233445566778899aabb"
SECRET = "00112233445566778899aabbccddeeff" * 2
RPC_SECRET = "c0ffee00" * 8


def engine(program):
    """The database it has: LMDB where it was built in, as SQLite's locks make it drop requests now and
    then under load."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=False)
    return "lmdb" if "lmdb" in done.stdout else "sqlite"


class Garage:
    """A node with the bucket made.

    It keeps a block of 1 MiB once, however often it comes, so that the same segment sent again takes
    neither room nor the disk's time: after a warm-up the store costs all contenders the same."""

    def __init__(self, program, folder):
        self._program, self._config = program, folder / "garage.toml"
        rpc, self.port = free_port(), free_port()
        self._config.write_text(f"""metadata_dir = "{folder}/meta"
data_dir = "{folder}/data"
db_engine = "{engine(program)}"
replication_factor = 1
compression_level = "none"
rpc_bind_addr = "{HOST}:{rpc}"
rpc_public_addr = "{HOST}:{rpc}"
rpc_secret = "{RPC_SECRET}"
[s3_api]
s3_region = "{REGION}"
api_bind_addr = "{HOST}:{self.port}"
""")
        command = [program, "-c", str(self._config), "server"]
        self._server = Server(command, folder / "garage.log", [rpc, self.port])
        try:
            self._set_up()
        except BaseException:
            self.stop()
            raise
        self.store = Store("http", f"{HOST}:{self.port}", KEY, SECRET)

    def _set_up(self):
        node = self._do("node", "id", "-q").split("@")[0]
        self._do("layout", "assign", node, "-z", "here", "-c", "100GB")
        self._do("layout", "apply", "--version", "1")
        self._do("key", "import", "--yes", "-n", "bench", KEY, SECRET)
        self._do("bucket", "create", BUCKET)
        self._do("bucket", "allow", "--read", "--write", "--owner", BUCKET, "--key", KEY)

    def _do(self, *arguments):
        command = [self._program, "-c", str(self._config), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise Failed(f"garage {arguments[0]} {arguments[1]}: {done.stderr.strip()[-500:]}")
        return done.stdout.strip()

    def stop(self):
        """Ends it."""
        self._server.stop()
