"""Films of an exact size: a small real MP4, made longer by a box that every player skips."""

import os
import random
import struct
import subprocess

from measure import MIB, Failed

#: Index first, as Tencent VOD serves them.
FIXTURE = "tests/it/fixtures/media/faststart.mp4"


def head(size):
    """What stands before the padding, and how long the padding is."""
    with open(FIXTURE, "rb") as fixture:
        film = fixture.read()
    box = size - len(film)
    if box < 16:
        raise ValueError(f"a film of {size} bytes is too short")
    # 64 bits of length always, so that films of all sizes have the same bytes at the same place.
    return film + struct.pack(">I4sQ", 1, b"free", box), box - 16


def make(path, size):
    """Writes a film of `size` bytes that no store can compress."""
    start, padding = head(size)
    noise = random.Random(4)
    with open(path, "wb") as film:
        film.write(start)
        while padding > 0:
            film.write(noise.randbytes(min(padding, MIB)))
            padding -= MIB
    return path


def make_sparse(path, size):
    """As `make`, of zeros that take no room on disk."""
    start, _ = head(size)
    with open(path, "wb") as film:
        film.write(start)
        film.truncate(size)
    return path


def make_real(path, size):
    """A film of about `size` bytes, all of them real samples: half a minute again and again."""
    once = path.with_name("once.mp4")
    shown = "testsrc2=size=640x360:rate=25:duration=30,noise=alls=12:allf=t"
    _ffmpeg(
        "-f", "lavfi", "-i", shown, "-f", "lavfi", "-i", "sine=frequency=440:duration=30",
        "-c:v", "libx264", "-preset", "superfast", "-bf", "2", "-pix_fmt", "yuv420p",
        "-b:v", "3M", "-maxrate", "3M", "-bufsize", "3M", "-c:a", "aac", "-ac", "2", once,
    )
    times = max(0, round(size / once.stat().st_size) - 1)
    _ffmpeg("-stream_loop", times, "-i", once, "-c", "copy", "-movflags", "+faststart", path)
    once.unlink()
    return path


def with_unknown_codecs(path, other):
    """The same film, whose `moov` has other names for its codecs."""
    film = bytearray(path.read_bytes())
    for name in (b"avc1", b"mp4a"):
        at = film.index(name, film.index(b"stsd"))
        film[at:at + 4] = b"none"
    other.write_bytes(film)
    return other


def _ffmpeg(*arguments):
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise Failed(f"ffmpeg made no film: {done.stderr}")


def link(path, names, folder):
    """The same film under more names, without a copy."""
    for name in names:
        os.link(path, folder / name)
