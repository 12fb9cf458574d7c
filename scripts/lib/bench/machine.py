"""What it was measured on."""

import os
import platform
import subprocess
import time


def described(programs):
    """Rows of a table: machine, date, versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    versions = [
        ("replay-archiver", [programs.archiver, "--version"]), ("commit", ["git", "describe", "--always", "--dirty"]),
        ("rclone", [programs.rclone, "version"]), ("aws", [programs.aws, "--version"]),
        ("Garage", [programs.garage, "--version"]), ("nginx", [programs.nginx, "-v"]),
        ("curl", ["curl", "--version"]), ("OpenSSL", ["openssl", "version"]),
        ("PostgreSQL", [f"{programs.postgres}/postgres", "--version"]),
    ]
    return [
        ("date", time.strftime("%Y-%m-%d")),
        ("processor", f"{processor()}, {os.cpu_count()} cores"),
        ("memory", f"{memory:.0f} GiB"),
        ("system", f"{platform.system()} {platform.release()}"),
        *((name, first_line(command)) for name, command in versions),
    ]


def processor():
    """Its name, as far as the kernel knows it."""
    with open("/proc/cpuinfo") as lines:
        names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
        return next(names, platform.machine())


def first_line(command):
    """The first line that a program prints about itself."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    line = ((done.stdout or done.stderr).splitlines() or ["unknown"])[0]
    # curl goes on with all that it is made of.
    return line.partition(" libcurl")[0]
