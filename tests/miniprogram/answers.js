// Answers of the API, as docs/openapi.json describes them (description.test.js holds them to it).

const MINUTE = 60_000;

const entry = (room_id, more = {}) => ({
    appid: "wx0123456789abcdef",
    room_id,
    name: `第 ${room_id} 场`,
    anchor_name: "小王",
    live_status: 103,
    start_time: "2026-11-20T12:05:03Z",
    status: "complete",
    cover_url: `/media/wx0123456789abcdef/${room_id}/cover.jpg?e=1&s=x`,
    duration_ms: 95 * MINUTE,
    ...more,
});

const page = (rooms, more = {}) => ({ rooms, total: rooms.length, next_cursor: null, ...more });

const segment = (index, offset_ms, more = {}) => ({
    index,
    url: `https://bucket.example.com/${index}.mp4?signature=1`,
    duration_ms: 10 * MINUTE,
    offset_ms,
    gap_before_ms: 0,
    ...more,
});

// Three segments of ten minutes; five minutes are missing before the third.
const SEGMENTS = [segment(1, 0), segment(2, 10 * MINUTE), segment(3, 25 * MINUTE, { gap_before_ms: 5 * MINUTE })];

const STITCHED = {
    url: "https://bucket.example.com/stitched.mp4?signature=1",
    bytes: 1,
    duration_ms: 30 * MINUTE,
    time_map: [
        { film_ms: 0, broadcast_ms: 0 },
        { film_ms: 20 * MINUTE, broadcast_ms: 25 * MINUTE },
    ],
};

const WHOLE = {
    url: "https://replays.example.com/hls/wx0123456789abcdef/354/whole.m3u8?e=1&s=x",
    duration_ms: 35 * MINUTE,
    playable_ms: 35 * MINUTE,
    missing: [],
};

const playback = (more = {}) => ({
    appid: "wx0123456789abcdef",
    room_id: 354,
    name: "第 354 场",
    preferred: "segments",
    duration_ms: 30 * MINUTE,
    urls_expire_at: "2026-11-27T12:00:00Z",
    poster_url: "/media/wx0123456789abcdef/354/cover.jpg?e=1&s=x",
    stitched: null,
    whole: null,
    segments: SEGMENTS,
    gaps: [{ offset_ms: 20 * MINUTE, duration_ms: 5 * MINUTE }],
    page_url: "/rooms/wx0123456789abcdef/354",
    embed_url: "/embed/wx0123456789abcdef/354?e=1&s=x",
    ...more,
});

const room = (more = {}) => ({
    appid: "wx0123456789abcdef",
    room_id: 354,
    name: "双11 <b>专场</b>",
    anchor_name: "小王",
    start_time: "2026-11-20T12:05:03Z",
    status: "complete",
    goods: [
        { goods_id: 61, name: "羊毛围巾", price_fen: 211200, url: "pages/goods/detail.html?id=61" },
        { goods_id: 62, name: "", price_fen: null, url: null },
    ],
    ...more,
});

module.exports = { MINUTE, SEGMENTS, STITCHED, WHOLE, entry, page, playback, room, segment };
