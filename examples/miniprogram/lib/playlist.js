// What to play of a room, in order, and where that was in the broadcast. Pure: the playback of the API goes in.
//
// A place is remembered as a time of the broadcast, in milliseconds. It stays true when the segments of a room are
// stitched later, or a missing one is archived.

const NOTHING = { kind: "none", clips: [], spans: [], duration_ms: 0 };

const number = (value) => (Number.isFinite(value) && value >= 0 ? value : null);
const list = (value) => (Array.isArray(value) ? value.filter((entry) => entry && typeof entry === "object") : []);
const sum = (values) => values.reduce((total, value) => total + (value || 0), 0);

// A film whose parts `time_map` puts into the broadcast.
function stitched(film, url) {
    const spans = list(film.time_map)
        .filter((time) => number(time.film_ms) !== null && number(time.broadcast_ms) !== null)
        .map((time) => ({ clip: 0, from_ms: time.film_ms, broadcast_ms: time.broadcast_ms }));
    return one("stitched", url, number(film.duration_ms), spans);
}

// The playlist of the whole broadcast. It leaves out the chunks that are missing.
function whole(playlist, url) {
    let left_out_ms = 0;
    const spans = list(playlist.missing).map(({ offset_ms, duration_ms }) => {
        const from_ms = offset_ms - left_out_ms;
        left_out_ms += duration_ms;
        return { clip: 0, from_ms, broadcast_ms: offset_ms + duration_ms };
    });
    // Gaps that it has had at WeChat stay in its time.
    const all_ms = number(playlist.duration_ms);
    const playable_ms = all_ms ? Math.max(all_ms - left_out_ms, 0) : number(playlist.playable_ms);
    return one("whole", url, playable_ms, [{ clip: 0, from_ms: 0, broadcast_ms: 0 }, ...spans]);
}

function one(kind, url, duration_ms, spans) {
    const known = spans.length > 0 ? spans : [{ clip: 0, from_ms: 0, broadcast_ms: 0 }];
    return { kind, clips: [{ url, duration_ms }], spans: known, duration_ms: duration_ms || 0 };
}

// The segments, one after another.
function segments(playable) {
    const clips = playable.map(({ segment, url }) => ({ url, duration_ms: number(segment.duration_ms) }));
    const spans = playable.map(({ segment }, clip) => {
        return { clip, from_ms: 0, broadcast_ms: number(segment.offset_ms) || 0 };
    });
    return { kind: "segments", clips, spans, duration_ms: sum(clips.map((clip) => clip.duration_ms)) };
}

// The plan of a room: the stitched film; else the whole, unless the segments play longer; else the segments.
// `absolute` makes a URL complete, or null where it is none.
function plan(playback, absolute = (url) => url || null) {
    const film = playback.stitched && absolute(playback.stitched.url);
    if (film) return stitched(playback.stitched, film);
    const playable = list(playback.segments)
        .map((segment) => ({ segment, url: absolute(segment.url) }))
        .filter(({ url }) => url);
    const inTurn = segments(playable);
    const playlist = playback.whole && absolute(playback.whole.url);
    if (playlist) {
        const all = whole(playback.whole, playlist);
        const known_ms = number(playback.whole.playable_ms);
        const plays_ms = known_ms === null ? all.duration_ms : known_ms;
        if (playable.length === 0 || playback.preferred === "whole" || plays_ms >= inTurn.duration_ms) return all;
    }
    return playable.length > 0 ? inTurn : NOTHING;
}

// When something was in the broadcast that plays at `seconds` of a clip.
function broadcastTime({ spans }, clip, seconds) {
    const at_ms = Math.max(0, seconds * 1000);
    const before = spans.filter((span) => span.clip === clip && span.from_ms <= at_ms);
    const span = before.pop();
    return span ? Math.round(span.broadcast_ms + at_ms - span.from_ms) : 0;
}

// Where a span ends in its clip; null where that is not known.
function endOf({ clips, spans }, index) {
    const span = spans[index];
    const next = spans[index + 1];
    return next && next.clip === span.clip ? next.from_ms : clips[span.clip].duration_ms;
}

// Where a time of the broadcast plays: the clip, and the seconds in it. What is missing leads to what comes after
// it, and a time after the end to the beginning.
function locate(plan, broadcast_ms) {
    const { spans } = plan;
    for (let index = 0; index < spans.length; index++) {
        const { clip, from_ms, broadcast_ms: begins_ms } = spans[index];
        if (broadcast_ms <= begins_ms) return { clip, seconds: from_ms / 1000 };
        const at_ms = from_ms + broadcast_ms - begins_ms;
        const end_ms = endOf(plan, index);
        const next = spans[index + 1];
        const isHere = end_ms === null ? !next || broadcast_ms < next.broadcast_ms : at_ms < end_ms;
        if (isHere) return { clip, seconds: at_ms / 1000 };
    }
    return { clip: 0, seconds: 0 };
}

module.exports = { broadcastTime, locate, plan };
