"""Tries the page of `serve` in Chromium, for `scripts/test-page`."""

import argparse
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import access
import looks
import rooms
import watching
from webdriver import Chromedriver
from world import TOKEN, Served, World

SCENES = [*rooms.ALL, *watching.ALL, *access.ALL, *looks.ALL]


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/test-page", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="try only what is called like this")
    parser.add_argument("--artefacts", type=Path, required=True, help="where pictures of the pages are kept")
    parser.add_argument("--program", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--axe", type=Path, required=True, help=argparse.SUPPRESS)
    return parser.parse_args()


class Stage:
    """The servers and browsers that scenes use."""

    def __init__(self, given, folder):
        self.artefacts, self.axe = given.artefacts, given.axe.read_text()
        self._world = World(str(given.program.absolute()), folder)
        (folder / "tokens").write_text(f"{TOKEN}\n")
        self.open = Served(self._world, "open")
        self.open_proxy = Served(self._world, "open-proxy", media="proxy")
        self.guarded = Served(self._world, "guarded", media="proxy", token_file=str(folder / "tokens"))
        self._driver = Chromedriver(folder)

    def browser(self, language, size=(1280, 900), dark=False):
        """A browser of its own, whose person reads a language."""
        return self._driver.browser(language, size, dark)

    def stop(self):
        """Ends everything."""
        self._driver.stop()
        self._world.stop()


def conduct(stage, scenes):
    """Plays the scenes. One that fails does not keep the others from being played; returns the names of those."""
    failed = []
    for scene in scenes:
        began = time.monotonic()
        try:
            scene(stage)
        except Exception:  # pylint: disable=broad-exception-caught
            traceback.print_exc()
            failed.append(scene.__name__)
        said = "failed" if scene.__name__ in failed else "passed"
        print(f"== {scene.__name__}: {said} in {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
    return failed


def main():
    """The exit code."""
    given = arguments()
    scenes = [scene for scene in SCENES if not given.names or any(name in scene.__name__ for name in given.names)]
    if not scenes:
        print(f"no scene is called like that: {', '.join(scene.__name__ for scene in SCENES)}", file=sys.stderr)
        return 2
    # A time limit ends what was started as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    given.artefacts.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="replay-archiver-page."))
    stage = Stage(given, folder)
    try:
        failed = conduct(stage, scenes)
    finally:
        stage.stop()
    if failed:
        print(f"failed: {', '.join(failed)}; logs are in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
