"""Makes the videos and chunks that scripts/test-corruption damages: corpus.py FOLDER.

A name tells what is special about a video; one that begins with "unknown-" has a codec that cannot be
examined. Beside each lies NAME.packets, where ffprobe finds its samples: a line each with v or a, offset
and size.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boxes
from videos import AAC, AVC, CARD, FASTSTART, FRACTAL, HEVC, LIFE, NOISY, STILL, video, rate, x264, x265
from odd import ODD

# Name, arguments of ffmpeg, and what is done with the boxes afterwards.
VIDEOS = [
    ("avc-6M-noisy-last", video(NOISY, 4, AVC, rate("6M"), "-bf", "0", AAC)),
    ("avc-6M-noisy-bframes", video(NOISY, 4, AVC, rate("6M"), "-bf", "3", AAC, FASTSTART)),
    ("avc-3M-noisy", video(NOISY, 5, AVC, rate("3M"), AAC, FASTSTART)),
    ("avc-2M-fractal-bframes", video(FRACTAL, 6, AVC, rate("2M"), "-bf", "2", AAC, FASTSTART)),
    ("avc-1M-card-last", video(CARD, 8, AVC, rate("1M"), AAC)),
    ("avc-500k-fractal", video(FRACTAL, 10, AVC, rate("500k"), "-bf", "0", AAC, FASTSTART)),
    ("avc-500k-card-bframes", video(CARD, 10, AVC, rate("500k"), "-bf", "2", AAC, FASTSTART)),
    ("avc-4M-life", video(LIFE, 4, AVC, rate("4M"), AAC, FASTSTART)),
    ("avc-still-long-groups", video(STILL, 12, AVC, ["-crf", "12", "-g", "250"], AAC, FASTSTART)),
    ("avc-still-one-group-last", video(STILL, 8, AVC, ["-crf", "8", "-g", "999", "-bf", "0"], AAC)),
    ("hevc-4M-noisy", video(NOISY, 4, HEVC, rate("4M"), x265("bframes=0"), AAC, FASTSTART)),
    ("hevc-2M-noisy-bframes-last", video(NOISY, 5, HEVC, rate("2M"), x265("bframes=3"), AAC)),
    ("hevc-1M-fractal", video(FRACTAL, 6, HEVC, rate("1M"), x265("bframes=0"), AAC, FASTSTART)),
    ("hevc-500k-card-bframes", video(CARD, 8, HEVC, rate("500k"), x265("bframes=2"), AAC, FASTSTART)),
    ("hevc-still-long-groups", video(STILL, 8, HEVC, ["-crf", "14", "-g", "250"], x265("keyint=250"), AAC, FASTSTART)),
    ("avc-3M-large-mdat", video(NOISY, 4, AVC, rate("3M"), AAC), boxes.with_large_mdat),
    ("avc-3M-several-mdat", video(NOISY, 4, AVC, rate("3M"), AAC), boxes.with_several_mdat),
    ("avc-2M-beyond-4GiB", video(NOISY, 4, AVC, rate("2M"), "-bf", "2", AAC), boxes.with_hole),
    ("hevc-1M-beyond-4GiB", video(FRACTAL, 5, HEVC, rate("1M"), x265("bframes=2"), AAC), boxes.with_hole),
    ("avc-2M-short-lengths", video(NOISY, 4, AVC, rate("2M"), AAC), boxes.with_short_lengths),
    ("hevc-1M-short-lengths", video(FRACTAL, 4, HEVC, rate("1M"), x265("bframes=0"), AAC), boxes.with_short_lengths),
    ("aac-128k-alone", video(None, 60, "-c:a", "aac", "-b:a", "128k", "-ac", "2", FASTSTART)),
    ("aac-64k-mono-alone-last", video(None, 60, "-c:a", "aac", "-b:a", "64k", "-ac", "1")),
    ("aac-320k-six-channels", video(None, 20, "-c:a", "aac", "-b:a", "320k", "-ac", "6", FASTSTART)),
    ("aac-own-configuration", video(CARD, 5, AVC, rate("1M"), ["-c:a", "aac", "-ac", "2", "-aac_pce", "1"], FASTSTART)),
    ("avc-1M-variable-rate", video(CARD, 8, AVC, ["-vf", "select='gt(mod(n\\,7)\\,2)'", "-fps_mode", "vfr"], rate("1M"), AAC, FASTSTART)),
    ("avc-2M-edits", video(NOISY, 4, AVC, rate("2M"), "-bf", "2", AAC, FASTSTART, sound_later="0.7")),
    ("avc-2M-no-edits", video(NOISY, 4, AVC, rate("2M"), "-bf", "2", AAC, ["-use_editlist", "0"], FASTSTART)),
    ("avc-2M-negative-offsets", video(NOISY, 4, AVC, rate("2M"), "-bf", "2", AAC, ["-movflags", "+faststart+negative_cts_offsets"])),
    ("avc-2M-slices", video(NOISY, 4, AVC, rate("2M"), x264("slices=4"), AAC, FASTSTART)),
    ("avc-2M-tiny-slices", video(NOISY, 4, AVC, rate("2M"), x264("slice-max-size=300"), AAC, FASTSTART)),
    ("avc-2M-refresh", video(NOISY, 4, AVC, rate("2M"), x264("intra-refresh=1:bframes=0"), AAC, FASTSTART)),
    ("avc-2M-interlaced", video(NOISY, 4, AVC, rate("2M"), x264("interlaced=1"), AAC, FASTSTART)),
    ("avc-2M-filler", video(CARD, 4, AVC, rate("2M"), x264("nal-hrd=cbr:aud=1:force-cfr=1"), AAC, FASTSTART)),
    ("avc-2M-cavlc", video(NOISY, 4, AVC, rate("2M"), x264("cabac=0:bframes=0"), AAC, FASTSTART)),
    ("avc-2M-bare", video(NOISY, 4, AVC, rate("2M"), ["-bsf:v", "filter_units=remove_types=6|7|8"], AAC, FASTSTART)),
    ("avc3-2M-in-band", video(NOISY, 4, AVC, rate("2M"), ["-tag:v", "avc3", "-bsf:v", "dump_extra"], AAC, FASTSTART)),
    ("avc-2M-lossless", video(CARD, 2, AVC, ["-qp", "0"], AAC, FASTSTART)),
    ("avc-1M-many-references", video(CARD, 5, AVC, rate("1M"), x264("bframes=8:b-adapt=2:ref=8:b-pyramid=normal"), AAC, FASTSTART)),
    ("hev1-1M-in-band", video(FRACTAL, 5, HEVC, rate("1M"), x265("repeat-headers=1:aud=1"), ["-tag:v", "hev1"], AAC, FASTSTART)),
    ("hevc-1M-slices", video(FRACTAL, 5, HEVC, rate("1M"), x265("slices=3:open-gop=1:bframes=4"), AAC, FASTSTART)),
    ("avc-2M-two-sounds", video(NOISY, 4, AVC, rate("2M"), AAC, ["-map", "0:v", "-map", "1:a", "-map", "1:a"], FASTSTART)),
    ("avc-2M-quicktime", video(NOISY, 4, AVC, rate("2M"), AAC, ["-f", "mov"])),
    ("fragmented-avc-2M", video(NOISY, 5, AVC, rate("2M"), "-bf", "2", ["-g", "20"], AAC, ["-movflags", "frag_keyframe+empty_moov+default_base_moof"])),
    ("fragmented-avc-1M-dash", video(CARD, 6, AVC, rate("1M"), ["-g", "20"], AAC, ["-movflags", "frag_keyframe+dash"])),
    ("fragmented-hevc-1M", video(FRACTAL, 5, HEVC, rate("1M"), ["-g", "20"], x265("bframes=2"), AAC, ["-movflags", "frag_keyframe+separate_moof"])),
    ("unknown-mp3", video(CARD, 5, AVC, rate("1M"), ["-c:a", "libmp3lame", "-ac", "2"], FASTSTART)),
    ("unknown-opus", video(CARD, 5, AVC, rate("1M"), ["-c:a", "libopus", "-ar", "48000"], FASTSTART)),
    ("unknown-ac3", video(CARD, 5, AVC, rate("1M"), ["-c:a", "ac3", "-ar", "48000"], FASTSTART)),
    ("unknown-pcm", video(CARD, 3, AVC, rate("1M"), ["-c:a", "pcm_s16be", "-f", "mov"])),
    ("unknown-vp9", video(CARD, 3, ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"], rate("1M"), AAC, FASTSTART)),
    ("unknown-mpeg4", video(CARD, 4, ["-c:v", "mpeg4"], rate("2M"), AAC, FASTSTART)),
]

# Playlists of transport streams, whose chunks are damaged one by one.
STREAMS = [
    ("ts-avc-2M", video(NOISY, 12, AVC, rate("2M"), "-bf", "2", ["-g", "40"], AAC)),
    ("ts-avc-6M", video(NOISY, 8, AVC, rate("6M"), "-bf", "0", ["-g", "40"], AAC)),
    ("ts-avc-500k", video(CARD, 16, AVC, rate("500k"), ["-g", "80"], AAC)),
    ("ts-hevc-1M", video(FRACTAL, 12, HEVC, rate("1M"), ["-g", "40"], x265("bframes=2:keyint=40"), AAC)),
]


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, arguments)], check=True)


def packets(file, beside):
    """Writes where the samples of a video lie."""
    shown = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "packet=codec_type,pos,size", "-of", "csv=p=0", str(file)],
        check=True, capture_output=True, text=True).stdout
    lines = []
    for line in shown.splitlines():
        match line.split(","):
            case ["video" | "audio" as kind, size, at, *_] if at != "N/A":
                lines.append(f"{kind[0]} {at} {size}\n")
    beside.write_text("".join(lines))


def make_video(folder, name, arguments, change=None):
    path = folder / f"{name}.mp4"
    ffmpeg(*arguments, path)
    if change:
        change(path)
    packets(path, folder / f"{name}.packets")


def make_stream(folder, name, arguments):
    """Chunks of two seconds and more; what the playlist says of each stands in its name, in milliseconds."""
    playlist = folder / f"{name}.m3u8"
    ffmpeg(*arguments, "-hls_time", 2, "-hls_playlist_type", "vod", "-f", "hls", playlist)
    told = None
    for line in playlist.read_text().splitlines():
        if line.startswith("#EXTINF:"):
            told = round(float(line[8:].split(",")[0]) * 1000)
        elif line and not line.startswith("#"):
            chunk = folder / line
            chunk.rename(folder / f"{chunk.stem}.{told}.ts")
    playlist.unlink()


def make_fragments(folder, name, arguments):
    """One file of an initialisation section and its fragments, as a player reads them one after another."""
    playlist = folder / f"{name}.m3u8"
    ffmpeg(*arguments, "-hls_time", 2, "-hls_playlist_type", "vod", "-hls_segment_type", "fmp4",
           "-hls_fmp4_init_filename", f"{name}.init", "-f", "hls", playlist)
    lines = playlist.read_text().splitlines()
    chunks = [folder / line for line in lines if line and not line.startswith("#")]
    init = folder / f"{name}.init"
    path = folder / f"{name}.mp4"
    path.write_bytes(b"".join(file.read_bytes() for file in [init, *chunks]))
    for file in [init, *chunks, playlist]:
        file.unlink()
    packets(path, folder / f"{name}.packets")


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    fragments = ("fragmented-hls-2M", video(NOISY, 8, AVC, rate("2M"), ["-g", "40"], AAC))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(make_video, folder, *video) for video in VIDEOS + ODD]
        jobs += [pool.submit(make_stream, folder, *stream) for stream in STREAMS]
        jobs.append(pool.submit(make_fragments, folder, *fragments))
        for job in jobs:
            job.result()


if __name__ == "__main__":
    main()
