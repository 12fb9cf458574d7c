"""Segments of an exact size: a small real MP4, made longer by a box that every player skips."""

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
        segment = fixture.read()
    box = size - len(segment)
    if box < 16:
        raise ValueError(f"a segment of {size} bytes is too short")
    # 64 bits of length always, so that segments of all sizes have the same bytes at the same place.
    return segment + struct.pack(">I4sQ", 1, b"free", box), box - 16


def make(path, size):
    """Writes a segment of `size` bytes that no store can compress."""
    start, padding = head(size)
    noise = random.Random(4)
    with open(path, "wb") as segment:
        segment.write(start)
        while padding > 0:
            segment.write(noise.randbytes(min(padding, MIB)))
            padding -= MIB
    return path


def make_sparse(path, size):
    """As `make`, of zeros that take no room on disk."""
    start, _ = head(size)
    with open(path, "wb") as segment:
        segment.write(start)
        segment.truncate(size)
    return path


def make_real(path, size, seed=0):
    """A segment of about `size` bytes, all of them real samples: half a minute again and again. With another seed, it
    has other bytes and the same settings."""
    once = path.with_name("once.mp4")
    shown = f"testsrc2=size=640x360:rate=25:duration=30,noise=alls=12:allf=t:all_seed={seed or 123457}"
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
    """The same segment, whose `moov` has other names for its codecs."""
    segment = bytearray(path.read_bytes())
    for name in (b"avc1", b"mp4a"):
        at = segment.index(name, segment.index(b"stsd"))
        segment[at:at + 4] = b"none"
    other.write_bytes(segment)
    return other


def _ffmpeg(*arguments):
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise Failed(f"ffmpeg made no segment: {done.stderr}")


def link(path, names, folder):
    """The same segment under more names, without a copy."""
    for name in names:
        os.link(path, folder / name)
