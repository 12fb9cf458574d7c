"""Rewrites MP4 files in ways that ffmpeg does not write: each function changes a file whose moov comes last."""

import struct

CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta"}
HOLE = (4 << 30) + 12345


def read(data):
    """The boxes of some bytes: type and payload, where payloads of containers are lists of boxes."""
    boxes, at = [], 0
    while at + 8 <= len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        head = 8
        if size == 1:
            size, head = struct.unpack(">Q", data[at + 8:at + 16])[0], 16
        size = size or len(data) - at
        payload = data[at + head:at + size]
        boxes.append([kind, read(payload) if kind in CONTAINERS else payload])
        at += size
    return boxes


def written(boxes):
    out = b""
    for kind, payload in boxes:
        payload = written(payload) if isinstance(payload, list) else payload
        out += struct.pack(">I4s", len(payload) + 8, kind) + payload
    return out


def tables(moov):
    """The sample tables of each track: a list of boxes."""
    for kind, trak in moov:
        if kind == b"trak":
            yield child(child(child(trak, b"mdia"), b"minf"), b"stbl")


def child(boxes, wanted):
    return next(payload for kind, payload in boxes if kind == wanted)


def offsets(stbl):
    stco = child(stbl, b"stco")
    count, = struct.unpack(">I", stco[4:8])
    return list(struct.unpack(f">{count}I", stco[8:8 + 4 * count]))


def place(stbl, places):
    """Puts other offsets into the tables of a track, of 64 bits where they need that."""
    is_wide = max(places, default=0) >= 1 << 32
    kind, code = (b"co64", "Q") if is_wide else (b"stco", "I")
    box = next(box for box in stbl if box[0] == b"stco")
    box[0] = kind
    box[1] = struct.pack(f">II{len(places)}{code}", 0, len(places), *places)


class File:
    """A file of ftyp, perhaps free, one mdat and moov."""

    def __init__(self, path):
        self.path = path
        data = path.read_bytes()
        boxes = read(data)
        self.start = written([box for box in boxes if box[0] == b"ftyp"])
        self.moov = child(boxes, b"moov")
        self.media = child(boxes, b"mdat")
        self.media_at = data.index(self.media)

    def move(self, moved):
        """Moves each chunk to where `moved` says, given its offset within the media data."""
        for stbl in tables(self.moov):
            place(stbl, [moved(at - self.media_at) for at in offsets(stbl)])

    def write(self, *between):
        self.path.write_bytes(self.start + b"".join(between) + written([[b"moov", self.moov]]))


def with_large_mdat(path):
    """The size of the mdat in 64 bits."""
    file = File(path)
    head = struct.pack(">I4sQ", 1, b"mdat", len(file.media) + 16)
    file.move(lambda at: len(file.start) + len(head) + at)
    file.write(head, file.media)


def with_several_mdat(path):
    """The media data in four boxes, cut between chunks, with a free box between each two."""
    file = File(path)
    chunks = sorted(at - file.media_at for stbl in tables(file.moov) for at in offsets(stbl))
    cuts = [0, *(chunks[len(chunks) * n // 4] for n in (1, 2, 3)), len(file.media)]
    out, starts = [], []
    at = len(file.start)
    for start, end in zip(cuts, cuts[1:]):
        starts.append((start, at + 8))
        piece = written([[b"mdat", file.media[start:end]], [b"free", bytes(1000)]])
        out.append(piece)
        at += len(piece)

    def moved(at):
        start, placed = max(pair for pair in starts if pair[0] <= at)
        return placed + at - start

    file.move(moved)
    file.write(*out)


def with_hole(path):
    """A free box of more than 4 GiB before the media data, which takes no room on the disk."""
    file = File(path)
    free = struct.pack(">I4sQ", 1, b"free", HOLE + 16)
    media_at = len(file.start) + len(free) + HOLE + 8
    file.move(lambda at: media_at + at)
    with path.open("wb") as out:
        out.write(file.start + free)
        out.seek(HOLE, 1)
        out.write(written([[b"mdat", file.media], [b"moov", file.moov]]))


def with_short_lengths(path):
    """The lengths of NAL units in two bytes in place of four."""
    file = File(path)
    pieces = []
    for stbl in tables(file.moov):
        stsd = next(box for box in stbl if box[0] == b"stsd")
        is_visual = b"avcC" in stsd[1] or b"hvcC" in stsd[1]
        if is_visual:
            config = bytearray(stsd[1])
            name, field = (b"avcC", 4) if b"avcC" in config else (b"hvcC", 21)
            config[config.index(name) + 4 + field] &= 0xfd
            stsd[1] = bytes(config)
        stsz = next(box for box in stbl if box[0] == b"stsz")
        sizes = list(struct.unpack(f">{(len(stsz[1]) - 12) // 4}I", stsz[1][12:]))
        number = 0
        for chunk, (at, count) in enumerate(zip(offsets(stbl), samples_of_chunks(stbl))):
            samples = []
            for _ in range(count):
                sample = file.media[at - file.media_at:at - file.media_at + sizes[number]]
                at += sizes[number]
                sample = shortened(sample) if is_visual else sample
                sizes[number] = len(sample)
                samples.append(sample)
                number += 1
            pieces.append((offsets(stbl)[chunk], id(stbl), b"".join(samples)))
        stsz[1] = stsz[1][:12] + struct.pack(f">{len(sizes)}I", *sizes)
    pieces.sort(key=lambda piece: piece[0])
    at, placed = len(file.start) + 8, {}
    for _, track, piece in pieces:
        placed.setdefault(track, []).append(at)
        at += len(piece)
    for stbl in tables(file.moov):
        place(stbl, placed[id(stbl)])
    file.write(written([[b"mdat", b"".join(piece for _, _, piece in pieces)]]))


def samples_of_chunks(stbl):
    stsc = child(stbl, b"stsc")
    count, = struct.unpack(">I", stsc[4:8])
    runs = [struct.unpack(">III", stsc[8 + 12 * n:20 + 12 * n]) for n in range(count)]
    chunks = len(offsets(stbl))
    for number, (first, samples, _) in enumerate(runs):
        last = runs[number + 1][0] if number + 1 < count else chunks + 1
        yield from [samples] * (last - first)


def shortened(sample):
    out, at = b"", 0
    while at < len(sample):
        length, = struct.unpack(">I", sample[at:at + 4])
        out += struct.pack(">H", length) + sample[at + 4:at + 4 + length]
        at += 4 + length
    return out
