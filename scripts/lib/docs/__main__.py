"""Checks the pages, for `scripts/test-docs`."""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from commands import wrong_commands
from links import wrong_links
from markdown import Page
from running import Wrong, follow, marked


def pages():
    """The Markdown files of the repository, by path."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {path: Page(Path(path).read_text()) for path in listed.stdout.splitlines() if Path(path).exists()}


def run_marked(all_pages, program, names):
    """Runs the marked blocks; what went wrong, as lines for people."""
    count = 0
    for path, page in all_pages.items():
        if not marked(page) or (names and not any(name in path for name in names)):
            continue
        began = time.monotonic()
        try:
            count += follow(path, page, program)
        except Wrong as wrong:
            yield str(wrong)
        print(f"  {time.monotonic() - began:.1f} s: {path}", file=sys.stderr, flush=True)
    if not count:
        yield "no block was run"


def main():
    """The exit code."""
    parser = argparse.ArgumentParser(prog="scripts/test-docs", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="run only the blocks of pages whose path has this")
    parser.add_argument("--program", required=True, help=argparse.SUPPRESS)
    given = parser.parse_args()
    program = str(Path(given.program).resolve())
    all_pages = pages()
    problems = []
    for what, found in (
        ("links", wrong_links(all_pages)),
        ("commands", wrong_commands(all_pages, program)),
        ("marked blocks", run_marked(all_pages, program, given.names)),
    ):
        print(f"== {what}", file=sys.stderr, flush=True)
        for problem in found:
            print(problem, file=sys.stderr, flush=True)
            problems.append(problem)
    print(f"{len(all_pages)} pages, {len(problems)} problems", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
