"""What the page is tried on: rooms of the sandbox's WeChat, archived by the program, and the program's server."""

import json
import os
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timedelta, timezone

from measure import Failed, tail
from processes import HOST, Server, free_port

APPID = "wx0123456789abcdef"
OTHER = "wxfedcba9876543210"
SECRET = "00112233445566778899aabbccddeeff"
STORE_KEY, STORE_SECRET = "sandbox", "sandbox-secret"
TOKEN = "0123456789abcdef0123456789abcdef"

# Each room is there for what is tried on it.
STITCHED, SEGMENTS, WHOLE, HOSTILE, ARABIC, NAMELESS, ANNOUNCED = range(1, 8)
GENERATED = 60
MARKUP = "<img src=x onerror=document.title='owned'><b>粗体</b>"
SEGMENT_SECONDS, GAP_SECONDS = 4, 20
WHOLE_SECONDS = 12

BEGAN = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(days=3)


def moment(seconds):
    """A time of the rooms' broadcasts, which all began at once."""
    return (BEGAN + timedelta(seconds=seconds)).isoformat()


def text(value):
    """A string of TOML."""
    return json.dumps(value, ensure_ascii=False)


def room(number, name, replays, more=""):
    """A room that lasted as long as its replays say."""
    head = f'[[account.room]]\nid = {number}\nname = {text(name)}\nanchor = "小雨"\nstatus = 103\n'
    return f"{head}start = {text(moment(0))}\nlength = \"40s\"\n{more}{''.join(replays)}"


def segment(fixture, end):
    """A segment of four seconds that ended so long after the beginning."""
    return f"[[account.room.replay]]\nfixture = {text(fixture)}\ncreate = {text(moment(end))}\n"


def with_gap(fixtures):
    """Segments one after the other, with twenty seconds missing before the last."""
    ends = [SEGMENT_SECONDS * (index + 1) for index in range(len(fixtures))]
    ends[-1] += GAP_SECONDS
    return [segment(fixture, end) for fixture, end in zip(fixtures, ends)]


def scenario():
    """The sandbox's rooms."""
    goods = [{"id": 61, "name": "龙井茶礼盒", "price": 211200}, {"id": 62, "name": MARKUP, "price": 8800}]
    shelf = ", ".join(
        f"{{ id = {item['id']}, name = {text(item['name'])}, price = {item['price']} }}" for item in goods
    )
    whole = f'[[account.room.replay]]\nkind = "whole"\nseconds = {WHOLE_SECONDS}\n'
    one = [segment("portrait", SEGMENT_SECONDS)]
    rooms = [
        room(STITCHED, "春季新品首发 🌸", with_gap(["portrait"] * 3), f"goods = [{shelf}]\n"),
        room(SEGMENTS, "会员日：满 200 减 30", with_gap(["portrait", "square", "portrait"])),
        room(WHOLE, "周末夜谈", [whole]),
        room(HOSTILE, MARKUP + "很长" * 40, one),
        room(ARABIC, "مرحبا بكم في البث المباشر", one),
        room(NAMELESS, "", one),
        room(ANNOUNCED, "试播", [], "announced = 1\n"),
    ]
    generated = f'[[account.generate]]\ncount = {GENERATED}\nfirst_id = 1000\nnewest = "-9d"\nevery = "8h"\n'
    first = f"[[account]]\nappid = {text(APPID)}\nsecret = {text(SECRET)}\n{''.join(rooms)}{generated}"
    second = f"[[account]]\nappid = {text(OTHER)}\nsecret = {text(SECRET)}\n{room(1, '另一个账号', one)}"
    return first + second


class World:
    """A sandbox with its store, and what the program archived of it."""

    def __init__(self, program, folder):
        self._program, self._folder = program, folder
        self._servers = []
        api, media, store = free_port(), free_port(), free_port()
        (folder / "scenario.toml").write_text(scenario())
        ports = ["--api-port", str(api), "--vod-port", str(media), "--store-port", str(store)]
        files = ["--scenario", str(folder / "scenario.toml"), "--store", str(folder / "objects")]
        self.start(["sandbox", *files, *ports], "sandbox", [api, media, store])
        self.store = (
            f'[store]\nendpoint = "http://{HOST}:{store}"\nbucket = "replays"\naccess_key = {text(STORE_KEY)}\n'
            'secret_key_env = "STORE_SECRET"\n'
        )
        self._archive(api, f"{HOST}:{media}")

    def _archive(self, api, media):
        accounts = (
            f'[[account]]\nappid = {text(appid)}\ntoken = {{ secret_env = "APP_SECRET" }}\n' for appid in (APPID, OTHER)
        )
        config = self.write(
            "archive",
            (
                f'[ledger]\nurl = "sqlite:{self._folder}/ledger.sqlite"\n{self.store}'
                f'[wechat]\nbase_url = "http://{HOST}:{api}"\n'
                f"[media]\nallow_hosts = [{text(media)}]\n[images]\nallow_hosts = [{text(media)}]\n{''.join(accounts)}"
            ),
        )
        self._call(config, "run")
        self._call(config, "stitch", "--room", str(STITCHED), "--account", APPID)

    def write(self, name, config):
        """A configuration file."""
        path = self._folder / f"{name}.toml"
        path.write_text(config)
        return path

    def _call(self, config, *arguments):
        log = self._folder / f"{arguments[0]}.log"
        with open(log, "ab") as sink:
            done = subprocess.run(
                [self._program, "--config", str(config), *arguments],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                timeout=120,
                check=False,
            )
        if done.returncode != 0:
            raise Failed(f"{arguments[0]} ended with {done.returncode}: {tail(log)}")

    def _environment(self):
        return {"APP_SECRET": SECRET, "STORE_SECRET": STORE_SECRET, "PATH": os.environ["PATH"]}

    def start(self, arguments, name, ports):
        """Starts a command that serves on these ports."""
        server = Server([self._program, *arguments], self._folder / f"{name}.log", ports, env=self._environment())
        self._servers.append(server)
        return server

    def stop(self):
        """Ends everything."""
        for server in reversed(self._servers):
            server.stop()


class Served:
    """The program's server over the archive, with settings of its own. It needs the bucket alone."""

    def __init__(self, world, name, **settings):
        self._world, self._name = world, name
        self._port = free_port()
        self.url = f"http://{HOST}:{self._port}"
        keys = {"listen": f"{HOST}:{self._port}", **settings}
        table = "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
        self._config = world.write(name, f"{world.store}[serve]\n{table}")
        self._server = None
        self.start()

    def start(self):
        """Starts it; once more, if it has run before: the links that it signed are void then."""
        if self._server:
            self._server.stop()
        self._server = self._world.start(["--config", str(self._config), "serve"], self._name, [self._port])

    def room(self, number, appid=APPID):
        """The address of a room's page."""
        return f"{self.url}/rooms/{appid}/{number}"

    def embed(self, number, token):
        """The link of a room for web-views."""
        return urllib.parse.urljoin(self.url, self.playback(number, token)["embed_url"])

    def playback(self, number, token=None):
        """What the API says of a room's playback."""
        status, body = self.get(f"/api/v1/accounts/{APPID}/rooms/{number}/playback", token)
        if status != 200:
            raise Failed(f"playback of room {number}: {status} {body[:200]}")
        return json.loads(body)

    def get(self, path, token=None):
        """Status and body of an answer; redirects are not followed."""
        request = urllib.request.Request(
            urllib.parse.urljoin(self.url, path), headers={"authorization": f"Bearer {token}"} if token else {}
        )
        try:
            with _opener().open(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def _opener():
    # Not by a proxy that the environment may name.
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay())
