"""Runs the experiments of `scripts/bench` and reports what they found."""

import argparse
import signal
import sys
import time
import traceback
from pathlib import Path

import chart
import machine
import measure
import report
from bench import Bench, Programs
from experiments import ALL
from measure import MIB, Failed

PAGE = "docs/benchmarks.md"
CHARTS = {
    "memory": ("benchmark-memory.svg", "Peak memory over the size of the segment"),
    "throttle": ("benchmark-throttle.svg", "Wall time over the throttle of a connection"),
}


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="run these experiments only, and write nothing")
    parser.add_argument("--list", action="store_true", help="list the experiments")
    parser.add_argument("--quick", action="store_true", help="smaller, fewer; writes nothing")
    parser.add_argument("--rounds", type=int, default=3, help="runs that count, of each contender (3)")
    for program in ("archiver", "garage", "nginx", "rclone", "aws", "postgres"):
        parser.add_argument(f"--{program}", help=argparse.SUPPRESS)
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in ALL]
    if unknown:
        parser.error(f"no experiment is called {unknown[0]}: {', '.join(ALL)}")
    return given


def say(words):
    """To the person who waits."""
    print(f"== {words}", file=sys.stderr, flush=True)


def chosen(given):
    """The experiments to run, in order."""
    if given.names:
        return [name for name in ALL if name in given.names]
    return [name for name, (_, is_quick) in ALL.items() if is_quick or not given.quick]


def conduct(bench, names):
    """Runs them. One that fails does not keep the others from running; says whether any did."""
    results, failed = [], False
    for name in names:
        began = time.monotonic()
        say(f"{name} …")
        try:
            result = ALL[name][0](bench)
        except Exception as error:
            # What is foreseen is told in a line, everything else as it comes.
            say(f"{name} failed: {error}")
            if not isinstance(error, Failed):
                traceback.print_exc()
            failed = True
            continue
        say(f"{name}: {result.title}, {time.monotonic() - began:.0f} s")
        print(report.details(result, report.plain), *result.notes, "", sep="\n", flush=True)
        results.append(result)
    return results, failed


def write(results, programs):
    """The page and its charts."""
    # Before anything is written: it says whether the tree is as it was committed.
    described = machine.described(programs)
    lines = {name: drawn for result in results for name, drawn in result.lines.items()}
    folder = Path(PAGE).parent
    if "memory" in lines:
        (folder / CHARTS["memory"][0]).write_text(memory_chart(lines["memory"]))
    if "throttle" in lines:
        (folder / CHARTS["throttle"][0]).write_text(throttle_chart(lines["throttle"]))
    report.write_page(PAGE, report.page(results, described, CHARTS))
    say(f"wrote {PAGE} and its charts")


def memory_chart(lines):
    """Peak RSS over file size."""
    labels = [f"{size} MiB" if size < 1024 else f"{size // 1024} GiB" for size, _ in lines[0][1]]
    values = [(name, [peak for _, peak in points]) for name, points in lines]
    return chart.chart(CHARTS["memory"][1], "size of the segment", "MiB", labels, values, [("target: 96 MiB", 96)])


def throttle_chart(lines):
    """Wall time over throttle."""
    labels = ["unlimited" if rate is None else f"{rate} MiB/s" for rate, _ in lines[0][1]]
    values = [(name, [wall for _, wall in points]) for name, points in lines]
    title = f"{CHARTS['throttle'][1]}, one segment of 256 MiB"
    return chart.chart(title, "what the host gives each connection", "seconds", labels, values)


def main():
    """The exit code: 1 where an experiment failed to run. A target that is missed is no failure."""
    given = arguments()
    if given.list:
        print("\n".join(ALL))
        return 0
    # So that servers and folders go with this process, however it is asked to end.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    programs = Programs(given.archiver, given.garage, given.nginx, given.rclone, given.aws, given.postgres)
    with Bench(programs, given.quick, 1 if given.quick else given.rounds) as bench:
        floor = measure.floor({"PATH": "/usr/bin:/bin"}, bench.folder("floor") / "log")
        say(f"a process of no memory measures {floor / MIB:.0f} MiB here")
        results, failed = conduct(bench, chosen(given))
    print(report.table_of_targets(results, report.plain))
    if not given.quick and not given.names and not failed:
        write(results, programs)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
