"""A headless Chromium, driven by the W3C's WebDriver protocol through Debian's chromedriver."""

import base64
import json
import time
import urllib.error
import urllib.request

from measure import Failed
from processes import HOST, Server, free_port

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--autoplay-policy=no-user-gesture-required",
    "--no-proxy-server",
]
PATIENCE = 20


def expect(what, holds, found=None):
    """Fails unless something holds."""
    if not holds:
        raise Failed(f"not so: {what}" + ("" if found is None else f"; found {found!r}"))


class Chromedriver:
    """The program that starts browsers; ended with `stop`."""

    def __init__(self, folder):
        self._port = free_port()
        self._server = Server(["chromedriver", f"--port={self._port}"], folder / "chromedriver.log", [self._port])

    def browser(self, language, size=(1280, 900), dark=False):
        """A browser of its own, whose person reads a language."""
        return Browser(f"http://{HOST}:{self._port}", language, size, dark)

    def stop(self):
        """Ends it, and the browsers with it."""
        self._server.stop()


class Browser:
    """One window. `with` closes it."""

    def __init__(self, driver, language, size, dark):
        arguments = [*ARGUMENTS, f"--window-size={size[0]},{size[1]}", f"--accept-lang={language}"]
        options = {
            "args": arguments + (["--force-dark-mode"] if dark else []),
            "prefs": {"intl.accept_languages": language},
        }
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        self._driver = driver
        self._session = None
        self._session = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        self.size(size)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._devtools("Emulation.setEmulatedMedia", {"features": scheme})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ask("DELETE", "")

    def open(self, url):
        """Goes to a page, and waits until it is loaded."""
        self._ask("POST", "/url", {"url": url})

    @property
    def url(self):
        """Where it is."""
        return self._ask("GET", "/url")

    def run(self, script, *arguments):
        """What a function's body returns in the page."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def run_async(self, script, *arguments):
        """What a function's body gives to its last argument."""
        return self._ask("POST", "/execute/async", {"script": script, "args": list(arguments)})

    def size(self, size):
        """Makes the window so wide and high. A real one has a least width, which is not that of a telephone."""
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        self._devtools("Emulation.setDeviceMetricsOverride", metrics)

    def before_each_page(self, script):
        """Runs a script in each page before the page's own."""
        self._devtools("Page.addScriptToEvaluateOnNewDocument", {"source": script})

    def _devtools(self, command, parameters):
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def until(self, what, script, *arguments, patience=PATIENCE):
        """Waits until a script returns something true, and returns that."""
        deadline = time.monotonic() + patience
        while True:
            found = self.run(script, *arguments)
            if found:
                return found
            if time.monotonic() > deadline:
                raise Failed(f"{what}: not within {patience} s, at {self.url}")
            time.sleep(0.05)

    def see(self, selector, patience=PATIENCE):
        """Waits until something is shown, and returns its text."""
        shown = (
            "const e = document.querySelector(arguments[0]); return e?.checkVisibility() ? {text: e.textContent} : null"
        )
        return self.until(f"{selector} is shown", shown, selector, patience=patience)["text"]

    def find(self, selector):
        """An element, to be clicked or typed into."""
        return self._ask("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        """Clicks where an element is, as a person would."""
        self._ask("POST", f"/element/{self.find(selector)}/click", {})

    def type(self, selector, text):
        """Types into an element."""
        self._ask("POST", f"/element/{self.find(selector)}/value", {"text": text})

    def press(self, *keys):
        """Presses keys one after the other, wherever the focus is."""
        strokes = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._ask("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": strokes}]})

    def picture(self, selector=None):
        """A PNG of the window, or of one element."""
        place = f"/element/{self.find(selector)}/screenshot" if selector else "/screenshot"
        return base64.b64decode(self._ask("GET", place))

    def complaints(self):
        """What the page's console has of errors since the last time."""
        entries = self._ask("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def _ask(self, method, path, body=None):
        session = f"/session/{self._session}" if self._session else ""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._driver}{session}{path}", data, method=method)
        # Not by a proxy that the environment may name.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            problem = json.load(error)["value"]
            raise Failed(f"{method} {path}: {problem['error']}: {problem['message'].splitlines()[0]}") from None
