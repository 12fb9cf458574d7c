"""The sandbox WeChat, and the rooms it has."""

import json
import urllib.request

from processes import HOST, Server, free_port

APPID = "wx0123456789abcdef"
SECRET = "00112233445566778899aabbccddeeff"
LIVE_CALL = "/wxa/business/getliveinfo"


def account(appid=APPID, more=""):
    """The head of an account."""
    return f'[[account]]\nappid = "{appid}"\nsecret = "{SECRET}"\n{more}'


def room(number, urls):
    """A room that ended some days ago; its segments are at `urls`."""
    replays = "".join(f'[[account.room.replay]]\nmedia_url = "{url}"\n' for url in urls)
    return f'[[account.room]]\nid = {number}\nstart = "-3d"\n{replays}'


class Sandbox:
    """One that has a scenario; its media host is there, whether it is used or not."""

    def __init__(self, program, folder, scenario):
        (folder / "scenario.toml").write_text(scenario)
        self.port, self.media_port = free_port(), free_port()
        command = [program, "sandbox", "--scenario", str(folder / "scenario.toml")]
        command += ["--api-port", str(self.port), "--vod-port", str(self.media_port)]
        self._server = Server(command, folder / "sandbox.log", [self.port, self.media_port])

    @property
    def api(self):
        """The address of its API."""
        return f"http://{HOST}:{self.port}"

    @property
    def media_host(self):
        """Name and port of its media host."""
        return f"{HOST}:{self.media_port}"

    def calls(self):
        """WeChat's own live calls so far: pages of the room list, and looks at a room's replays."""
        calls = [call for call in self._ask("calls") if call["path"] == LIVE_CALL]
        looks = sum(bool((call["body"] or {}).get("action")) for call in calls)
        return len(calls) - looks, looks

    def become(self, scenario):
        """Another scenario in its place; the calls so far are remembered."""
        self._ask("scenario", scenario.encode())

    def _ask(self, what, body=None):
        # Not by a proxy that the environment may name.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.api}/sandbox/{what}", body, timeout=60) as answer:
            return json.load(answer)

    def stop(self):
        """Ends it."""
        self._server.stop()
