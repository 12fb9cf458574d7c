"""Checks the pages, for `scripts/test-docs`."""

import argparse
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
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


# A network of a page's own, so that nothing else is on the sandbox's ports.
ALONE = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


def run_marked(all_pages, program, names):
    """Runs the marked blocks; what went wrong, as lines for people."""
    chosen = [path for path, page in all_pages.items() if marked(page)]
    chosen = [path for path in chosen if not names or any(name in path for name in names)]
    if not chosen:
        yield "no block was run"
    is_alone = subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode == 0
    with ThreadPoolExecutor(2 if is_alone else 1) as pool:
        prefix = ALONE if is_alone else []
        for path, problem, seconds in pool.map(lambda path: _page(prefix, path, program), chosen):
            print(f"  {seconds:.1f} s: {path}", file=sys.stderr, flush=True)
            if problem:
                yield problem


def _page(prefix, path, program):
    began = time.monotonic()
    here = str(Path(__file__).parent)
    command = [*prefix, sys.executable, "-B", here, "--program", program, "--page", path]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    problem = "" if done.returncode == 0 else done.stderr.strip() or f"{path}: ended with {done.returncode}"
    return path, problem, time.monotonic() - began


def one_page(path, program):
    """Runs the blocks of one page."""
    try:
        follow(path, Page(Path(path).read_text()), program)
    except Wrong as wrong:
        print(wrong, file=sys.stderr)
        return 1
    return 0


def main():
    """The exit code."""
    parser = argparse.ArgumentParser(prog="scripts/test-docs", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="run only the blocks of pages whose path has this")
    parser.add_argument("--program", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--page", help=argparse.SUPPRESS)
    given = parser.parse_args()
    program = str(Path(given.program).resolve())
    if given.page:
        return one_page(given.page, program)
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
