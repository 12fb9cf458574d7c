// One timeline for whatever plays a room: a stitched film, a whole, or one medium for each segment.
//
// A *medium* is what a <video> loads: `{ url, kind, type }`. A *clip* is a stretch of one that shows the broadcast
// without interruption: `{ medium, from, start, end, gap }`. It begins `from` seconds into its medium and lasts from
// `start` to `end` in broadcast time, the seconds since the broadcast began; `gap` seconds are missing before it.
// Everything outside this folder counts in broadcast time.

const seconds = (milliseconds) => (Number.isFinite(milliseconds) && milliseconds > 0 ? milliseconds / 1000 : 0);

export class Timeline {
    constructor(media, clips) {
        this.media = media;
        this.clips = clips;
        this.total = clips.reduce((end, clip) => Math.max(end, clip.end), 0);
    }

    // Where a broadcast time is: its clip and the seconds into that clip's medium. In a gap, that is the beginning of
    // what follows; after the end, the end.
    locate(time) {
        const index = this.clips.findIndex((clip) => time < clip.end);
        const clip = index < 0 ? this.clips.at(-1) : this.clips[index];
        const inside = Math.min(Math.max(time, clip.start), clip.end);
        return { clip, at: clip.from + inside - clip.start };
    }

    // The clip that a medium shows at a time of its own.
    clipOf(medium, at) {
        const clips = this.clips.filter((clip) => clip.medium === medium);
        return clips.reduce((found, clip) => (clip.from <= at ? clip : found));
    }

    // The broadcast time that a medium shows at a time of its own.
    broadcast(medium, at) {
        const clip = this.clipOf(medium, at);
        return Math.min(clip.start + Math.max(at - clip.from, 0), clip.end);
    }

    // The first clip of a medium; undefined behind the last medium.
    first(medium) {
        return this.clips.find((clip) => clip.medium === medium);
    }

    get gaps() {
        return this.clips
            .filter((clip) => clip.gap > 0)
            .map((clip) => ({ start: clip.start - clip.gap, end: clip.start }));
    }
}

// The timeline of a room's playback; null where there is nothing to play.
export function timelineOf(playback) {
    const made = { stitched: ofStitched, whole: ofWhole, segments: ofSegments }[playback.preferred]?.(playback);
    return made && made.clips.length > 0 ? made : null;
}

function ofStitched({ stitched: film, duration_ms: total }) {
    const duration = seconds(film.duration_ms ?? total);
    const marks = film.time_map?.length > 0 ? film.time_map : [{ film_ms: 0, broadcast_ms: 0 }];
    const starts = marks.map((mark) => ({ from: seconds(mark.film_ms), start: seconds(mark.broadcast_ms) }));
    const clips = starts.map(({ from, start }, index) => {
        const until = starts[index + 1]?.from ?? duration;
        return { medium: 0, from, start, end: start + Math.max(until - from, 0) };
    });
    return new Timeline([{ url: film.url, kind: "file" }], withGaps(clips));
}

// The playlist leaves out the chunks that are missing, so each of them is a jump in broadcast time. Gaps that it has
// had at WeChat stay in it, and in its time. The gaps between segments are none of the whole.
function ofWhole({ whole }) {
    const missing = [...(whole.missing ?? [])];
    const lacking = missing.reduce((all, gap) => all + seconds(gap.duration_ms), 0);
    const { duration_ms: duration, playable_ms: plays } = whole;
    const playable = duration ? Math.max(seconds(duration) - lacking, 0) : seconds(plays);
    const clips = [];
    let from = 0;
    let start = 0;
    for (const gap of missing.sort((one, other) => one.offset_ms - other.offset_ms)) {
        const end = Math.min(seconds(gap.offset_ms), start + playable - from);
        if (end > start) clips.push({ medium: 0, from, start, end });
        from += Math.max(end - start, 0);
        start = Math.max(start, end + seconds(gap.duration_ms));
    }
    if (playable > from) clips.push({ medium: 0, from, start, end: start + playable - from });
    return new Timeline([{ url: whole.url, kind: "hls" }], withGaps(clips));
}

function ofSegments({ segments }) {
    let end = 0;
    const clips = segments.map((segment, medium) => {
        // A segment begins where the one before it ends, at the earliest.
        const start = Math.max(seconds(segment.offset_ms), end);
        end = start + seconds(segment.duration_ms);
        return { medium, from: 0, start, end, segment: segment.index };
    });
    return new Timeline(
        segments.map(({ url }) => ({ url, kind: "file" })),
        withGaps(clips),
    );
}

// Less than this is the rounding of two lengths, not something that is missing.
const NO_GAP = 0.5;

function withGaps(clips) {
    return clips.map((clip, index) => {
        const gap = clip.start - (clips[index - 1]?.end ?? 0);
        return { ...clip, gap: gap >= NO_GAP ? gap : 0 };
    });
}
