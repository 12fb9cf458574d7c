"""The rooms whose films are watched: segments of ffmpeg's, whose pictures each carry their number as a barcode."""

import subprocess
from dataclasses import dataclass
from fractions import Fraction

from measure import Failed

WIDTH, HEIGHT = 160, 96
BITS, BAR = 16, 10
#: The barcode's height; below it the picture is grey.
CODE = 32
BLACK, WHITE, GREY = 16, 235, 128
ENCODERS = {
    "B-frames": ["-preset", "medium", "-bf", "3", "-g", "24"],
    "no B-frames": ["-preset", "ultrafast", "-bf", "0", "-g", "15"],
}


@dataclass(frozen=True)
class Room:
    """A room: how its segments are made. Their lengths, in pictures, and how much longer than these their sound is, in
    seconds, take turns."""

    name: str
    number: int
    fps: Fraction
    segments: int
    pictures: tuple
    sound: tuple
    encoder: str
    mux: tuple = ()

    def lengths(self):
        """How many pictures each segment has."""
        return [self.pictures[place % len(self.pictures)] for place in range(self.segments)]

    def longer(self, place):
        """How much longer the sound of a segment is. The last ends with its pictures, so that a drift would show."""
        return 0 if place == self.segments - 1 else self.sound[place % len(self.sound)]


NTSC = Fraction(30000, 1001)
FASTSTART = ("-movflags", "+faststart")
ROOMS = [
    Room("two with B-frames", 1, Fraction(25), 2, (150,), (0,), "B-frames", FASTSTART),
    Room("29.97 pictures, moov last, unequal tracks", 2, NTSC, 7, (61, 45, 90), (0.4, -0.3, 0.11), "B-frames"),
    Room("forty", 3, Fraction(30), 40, (15, 31), (0.021, -0.013), "no B-frames", FASTSTART),
    Room("no edit lists", 4, Fraction(24), 5, (48, 50), (0.05,), "no B-frames", ("-use_editlist", "0")),
]


def picture(number):
    """A picture in yuv420p that carries a number."""
    bars = b"".join(bytes([WHITE if number >> bit & 1 else BLACK]) * BAR for bit in range(BITS))
    luma = bars * CODE + bytes([GREY]) * (WIDTH * (HEIGHT - CODE))
    return luma + bytes([128]) * (WIDTH * HEIGHT // 2)


def make(room, folder):
    """Makes the segments of a room; returns their paths, in order."""
    paths, first = [], 0
    for place, pictures in enumerate(room.lengths()):
        path = folder / f"{room.number}-{place:02}.mp4"
        _make_one(room, path, range(first, first + pictures), room.longer(place))
        paths.append(path)
        first += pictures
    return paths


def _make_one(room, path, numbers, longer):
    sound = float(len(numbers) / room.fps) + longer
    tone = f"sine=frequency={300 + 10 * (numbers[0] % 50)}:sample_rate=44100:duration={sound:.6f}"
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-threads", "1"]
    command += ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(room.fps), "-i", "pipe:0"]
    command += ["-f", "lavfi", "-i", tone, "-c:v", "libx264", *ENCODERS[room.encoder], "-qp", "18"]
    command += ["-c:a", "aac", "-b:a", "48k", *room.mux, str(path)]
    # ffmpeg reads from the pipe, whatever -nostdin says of the terminal.
    pictures = b"".join(map(picture, numbers))
    done = subprocess.run(command, input=pictures, capture_output=True, timeout=120, check=False)
    if done.returncode:
        raise Failed(f"ffmpeg made no segment: {done.stderr.decode(errors='replace')}")
