"""More videos: what muxers and encoders write now and then, each a second or three long."""

from videos import AAC, AVC, CARD, FASTSTART, FRACTAL, HEVC, NOISY, video, rate, x265

FAST = [*AVC, *rate("1M"), "-g", "20"]
SILENT = "anullsrc=sample_rate=44100:channel_layout=stereo"
NOISE = "anoisesrc=sample_rate=48000:amplitude=0.1"
BLACK = "color=black:size=640x360:rate=20"


def channels(layout, count):
    return ["-af", f"pan={layout}|" + "|".join(f"c{number}=c0" for number in range(count))]


def fragmented(*flags):
    return ["-movflags", "+".join(flags)]


ODD = [
    ("odd-timecode", video(CARD, 3, FAST, AAC, ["-timecode", "01:00:00:00"])),
    ("odd-brand-mp42", video(CARD, 3, FAST, AAC, ["-brand", "mp42"], FASTSTART)),
    ("odd-long-metadata", video(CARD, 3, FAST, AAC, ["-movflags", "use_metadata_tags+write_colr",
                                                    "-metadata", "title=直播回放", "-metadata", "comment=" + "x" * 5000])),
    ("odd-one-picture", video(CARD, 1, FAST, AAC, ["-frames:v", "1"])),
    ("odd-no-sound", video(NOISY, 3, FAST, sound=None)),
    ("odd-short-sound", video(CARD, 3, FAST, AAC, ["-af", "atrim=end=1"])),
    ("odd-silence", video(CARD, 3, FAST, AAC, sound=SILENT)),
    ("odd-black-silence", video(BLACK, 5, AVC, ["-qp", "51"], AAC, FASTSTART, sound=SILENT)),
    ("odd-8-kHz", video(CARD, 3, FAST, ["-c:a", "aac", "-ar", "8000", "-ac", "1"])),
    ("odd-96-kHz", video(CARD, 3, FAST, ["-c:a", "aac", "-ar", "96000", "-b:a", "500k"], sound=NOISE)),
    ("odd-three-channels", video(CARD, 3, FAST, channels("3.0", 3), ["-c:a", "aac"], sound=NOISE)),
    ("odd-eight-channels", video(CARD, 3, FAST, channels("7.1", 8), ["-c:a", "aac"], sound=NOISE)),
    ("odd-noise-substitution", video(CARD, 3, FAST, ["-c:a", "aac", "-aac_coder", "fast", "-aac_pns", "1"], sound=NOISE)),
    ("odd-29.97", video(CARD, 3, FAST, ["-vf", "fps=30000/1001"], AAC)),
    ("odd-ten-bit", video(FRACTAL, 3, AVC, ["-pix_fmt", "yuv420p10le"], AAC)),
    ("odd-ten-bit-hevc", video(FRACTAL, 3, HEVC, x265("bframes=1"), ["-pix_fmt", "yuv420p10le"], AAC)),
    ("odd-full-colour", video(FRACTAL, 3, AVC, ["-pix_fmt", "yuv444p"], AAC)),
    ("odd-fragments-by-time", video(CARD, 3, FAST, AAC, fragmented("empty_moov"), ["-frag_duration", "300000"])),
    ("odd-fragment-a-picture", video(CARD, 3, FAST, AAC, fragmented("frag_every_frame", "empty_moov"))),
    ("odd-fragments-late-moov", video(CARD, 3, FAST, "-bf", "2", AAC, fragmented("frag_keyframe", "delay_moov"))),
    ("odd-fragments-cmaf", video(CARD, 3, FAST, AAC, fragmented("cmaf", "frag_keyframe"))),
    ("odd-fragments-no-offsets", video(CARD, 3, FAST, AAC, fragmented("frag_keyframe", "omit_tfhd_offset", "empty_moov"))),
    ("odd-fragments-no-index", video(CARD, 3, FAST, AAC, fragmented("frag_keyframe", "empty_moov", "skip_trailer"))),
    ("unknown-alac", video(CARD, 3, FAST, ["-c:a", "alac"])),
    ("unknown-av1", video(CARD, 1, ["-c:v", "libaom-av1", "-cpu-used", "8"], AAC)),
    ("unknown-mjpeg", video(CARD, 2, ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p"], AAC)),
]
