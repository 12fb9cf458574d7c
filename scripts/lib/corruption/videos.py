"""What videos are made of: the arguments of ffmpeg."""

# What is shown, from what moves most to what does not move at all.
NOISY = "testsrc2=size=320x180:rate=20,noise=alls=25:allf=t"
CARD = "testsrc2=size=320x180:rate=20"
FRACTAL = "mandelbrot=size=320x180:rate=20"
LIFE = "life=size=320x180:rate=20:seed=7:mold=10:life_color=#C83232:death_color=#32C832"
STILL = "mandelbrot=size=640x360:rate=20,trim=end_frame=1,loop=-1:1,noise=alls=20"
TONE = "sine=frequency=440:beep_factor=4:sample_rate=44100"

AVC = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"]
HEVC = ["-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-tag:v", "hvc1"]
AAC = ["-c:a", "aac", "-b:a", "96k", "-ac", "2"]
FASTSTART = ["-movflags", "+faststart"]


def rate(bits):
    return ["-b:v", bits, "-maxrate", bits, "-bufsize", bits]


def x264(params):
    return ["-x264-params", params]


def x265(params):
    return ["-x265-params", "log-level=none:" + params]


def video(shown, seconds, *arguments, sound=TONE, sound_later="0"):
    """The arguments of ffmpeg for a video of so many seconds."""
    inputs = []
    for lavfi, later in [(shown, "0"), (sound, sound_later)]:
        if lavfi:
            inputs += ["-itsoffset", later, "-f", "lavfi", "-t", str(seconds), "-i", lavfi]
    flat = [part for argument in arguments for part in ([argument] if isinstance(argument, str) else argument)]
    return [*inputs, "-t", str(seconds), *flat]
