"""Films of an exact size: a small real MP4, made longer by a box that every player skips."""

import os
import random
import struct

from measure import MIB

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


def link(path, names, folder):
    """The same film under more names, without a copy."""
    for name in names:
        os.link(path, folder / name)
