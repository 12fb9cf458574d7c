"""What a client costs: the CPU time, wall time and peak memory of its own processes, no server's."""

import os
import signal
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass

MIB = 1 << 20
GIB = 1 << 30


class Failed(Exception):
    """A run that did not do its work: what it measured means nothing."""


@dataclass(frozen=True)
class Usage:
    """What one run took: seconds of CPU (user and system), seconds of wall, bytes of memory at peak."""

    cpu: float
    wall: float
    rss: int

    def then(self, other):
        """Both, one after the other."""
        return Usage(self.cpu + other.cpu, self.wall + other.wall, max(self.rss, other.rss))


class Client:
    """A process that is measured. Its output goes to a file, to be shown where it fails."""

    def __init__(self, command, env, log, timeout, stdin=None, stdout=None):
        self.name = os.path.basename(command[0])
        self.log = log
        self.exit = None
        with open(log, "ab") as sink:
            self.began_at, self._began = time.time(), time.monotonic()
            self.process = subprocess.Popen(
                command, env=env, stdin=stdin or subprocess.DEVNULL, stdout=stdout or sink, stderr=sink
            )
        self._watchdog = threading.Timer(timeout, self.kill)
        self._watchdog.daemon = True
        self._watchdog.start()

    def kill(self):
        """Ends it at once, as a power cut would."""
        if self.exit is None:
            os.kill(self.process.pid, signal.SIGKILL)

    def wait(self):
        """Waits for its end; what it took, by the kernel's own account of it."""
        _, status, used = os.wait4(self.process.pid, 0)
        self.exit = self.process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - self._began
        self._watchdog.cancel()
        return Usage(used.ru_utime + used.ru_stime, wall, used.ru_maxrss * 1024)

    def is_running(self):
        """Whether it is still there, without reaping it."""
        return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None

    def expect(self, *codes):
        """Fails unless it has ended with one of these codes."""
        if self.exit not in codes:
            raise Failed(f"{self.name} ended with {self.exit}: {tail(self.log)}")


def tail(path, length=1500):
    """The end of a log."""
    with open(path, "rb") as log:
        return log.read()[-length:].decode(errors="replace").strip()


def run(command, env, log, timeout, stdout=None):
    """Runs a command that has to succeed."""
    client = Client(command, env, log, timeout, stdout=stdout)
    usage = client.wait()
    client.expect(0)
    return usage


def run_steps(commands, env, log, timeout):
    """Runs commands one after the other, each of which has to succeed."""
    total = Usage(0.0, 0.0, 0)
    for command in commands:
        total = total.then(run(command, env, log, timeout, stdout=subprocess.DEVNULL))
    return total


def run_pipe(first, second, env, log, timeout):
    """Runs two commands joined by a pipe: they are there together, so that their memory adds up."""
    reader, writer = os.pipe()
    source = Client(first, env, log, timeout, stdout=writer)
    os.close(writer)
    sink = Client(second, env, log, timeout, stdin=reader)
    os.close(reader)
    ends = [source.wait(), sink.wait()]
    source.expect(0)
    sink.expect(0)
    rss = sum(usage.rss for usage in ends)
    return Usage(sum(usage.cpu for usage in ends), max(usage.wall for usage in ends), rss)


def floor(env, log):
    """The memory that a program without any needs by this account: a new process begins with the
    peak of the one that made it, which is this."""
    return run(["true"], env, log, 10).rss


def in_turn(contenders, rounds, warm_up):
    """Runs the contenders A B A B, after one run of each that does not count where `warm_up` says
    so. Returns each one's usages by its name.

    In turn, because a machine that is slow for a while is then slow for all of them."""
    usages = {contender.name: [] for contender in contenders}
    for turn in range(-1 if warm_up else 0, rounds):
        for contender in contenders:
            usage = contender.run()
            if turn >= 0:
                usages[contender.name].append(usage)
    return usages


@dataclass(frozen=True)
class Spread:
    """The least, the middle and the most of a number of samples."""

    least: float
    middle: float
    most: float
    count: int

    @classmethod
    def of(cls, samples):
        """Of at least one sample."""
        samples = list(samples)
        return cls(min(samples), statistics.median(samples), max(samples), len(samples))

    @classmethod
    def one(cls, sample):
        """Of what was measured once, or is exact."""
        return cls(sample, sample, sample, 1)


def cpu(usages):
    """Their CPU seconds."""
    return Spread.of(usage.cpu for usage in usages)


def wall(usages):
    """Their wall seconds."""
    return Spread.of(usage.wall for usage in usages)


def rss(usages):
    """Their peaks of memory, in MiB."""
    return Spread.of(usage.rss / MIB for usage in usages)
