"""Makes the pictures of the documentation from the demonstration, for `scripts/pictures`."""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import Failed
from terminal import picture
from webdriver import Chromedriver

LARGEST = 300_000
SIZE = (1280, 780)
PAGES = {"page": "en-US", "page-zh": "zh-CN"}
COVERS = (
    "const covers = [...document.querySelectorAll('.cover img')];"
    "return covers.length > 0 && covers.every((cover) => cover.complete && cover.naturalWidth > 0)"
)


class Demonstration:
    """`demo --serve`, from its first line to its end."""

    def __init__(self, program, folder):
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
        self._out = folder / "demo.out"
        with open(self._out, "wb") as sink:
            self._process = subprocess.Popen(
                [program, "demo", "--serve"],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
        self._folder = folder

    def url(self):
        """Where it serves, once it does."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and self._process.poll() is None:
            found = re.search(r"http://127\.0\.0\.1:\d+/", self.said())
            if found:
                return found.group(0)
            time.sleep(0.1)
        raise Failed(f"it serves nothing: {self.said()}")

    def said(self):
        """What it has printed."""
        return self._out.read_text()

    def stop(self):
        """Ends it."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(20)


def terminal(said, folder):
    """What `demo` prints before it serves, as an SVG. Its ports are others each time."""
    run = said.split("\nthe archive is in")[0]
    run = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:…", run).replace(f"{folder}/", "")
    return picture("replay-archiver demo", run, "A demonstration: what became of each recording of seven rooms")


def pages(url, folder, target):
    """The list of rooms, in each language."""
    driver = Chromedriver(folder)
    try:
        for name, language in PAGES.items():
            with driver.browser(language, SIZE) as browser:
                browser.open(url)
                browser.see(".card")
                browser.until("the covers", COVERS)
                (target / f"{name}.png").write_bytes(browser.picture())
    finally:
        driver.stop()


def main():
    """The exit code."""
    parser = argparse.ArgumentParser(prog="scripts/pictures", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("docs/pictures"), help="where they go")
    parser.add_argument("--program", type=Path, required=True, help=argparse.SUPPRESS)
    given = parser.parse_args()
    target = given.folder.absolute()
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="replay-archiver-pictures.") as folder:
        folder = Path(folder)
        demonstration = Demonstration(str(given.program.absolute()), folder)
        try:
            url = demonstration.url()
            (target / "run.svg").write_text(terminal(demonstration.said(), folder))
            pages(url, folder, target)
        finally:
            demonstration.stop()
    sizes = {file.name: file.stat().st_size for file in sorted(target.iterdir())}
    print(sizes, file=sys.stderr)
    return 1 if any(size > LARGEST for size in sizes.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
