import assert from "node:assert/strict";
import { test } from "node:test";

import { timelineOf } from "../../src/serve/web/assets/player/timeline.js";

const segment = (index, offset_ms, duration_ms) => ({ index, url: `/${index}.mp4`, offset_ms, duration_ms });
const SEGMENTS = timelineOf({
    preferred: "segments",
    segments: [segment(1, 0, 8000), segment(3, 20000, 6000), segment(4, 26000, 5000)],
});
const STITCHED = timelineOf({
    preferred: "stitched",
    stitched: {
        url: "/film.mp4",
        duration_ms: 19000,
        time_map: [
            { film_ms: 0, broadcast_ms: 0 },
            { film_ms: 8000, broadcast_ms: 20000 },
        ],
    },
});
const WHOLE = timelineOf({
    preferred: "whole",
    whole: {
        url: "/whole.m3u8",
        duration_ms: 30000,
        playable_ms: 24000,
        missing: [
            { offset_ms: 20000, duration_ms: 2000 },
            { offset_ms: 8000, duration_ms: 4000 },
        ],
    },
    gaps: [],
});
const medium = ({ clip, at }) => [clip.medium, at];

test("segments are one timeline, with what is missing between them", () => {
    assert.equal(SEGMENTS.total, 31);
    assert.deepEqual(SEGMENTS.gaps, [{ start: 8, end: 20 }]);
    assert.deepEqual(medium(SEGMENTS.locate(3)), [0, 3]);
    assert.deepEqual(medium(SEGMENTS.locate(27)), [2, 1]);
    assert.equal(SEGMENTS.broadcast(1, 2.5), 22.5);
});

test("a time in a gap is where the broadcast resumes", () => {
    for (const timeline of [SEGMENTS, STITCHED]) {
        const { clip, at } = timeline.locate(15);
        assert.equal(timeline.broadcast(clip.medium, at), 20);
    }
    const { clip, at } = WHOLE.locate(9);
    assert.equal(WHOLE.broadcast(clip.medium, at), 12);
});

test("a time behind the end is the end", () => {
    assert.deepEqual(medium(SEGMENTS.locate(1e9)), [2, 5]);
    assert.deepEqual(medium(STITCHED.locate(1e9)), [0, 19]);
});

test("a stitched film runs on where the broadcast has a gap", () => {
    assert.equal(STITCHED.total, 31);
    assert.deepEqual(medium(STITCHED.locate(21)), [0, 9]);
    assert.equal(STITCHED.broadcast(0, 7.9), 7.9);
    assert.equal(STITCHED.broadcast(0, 8), 20);
    assert.deepEqual(STITCHED.gaps, SEGMENTS.gaps);
});

test("a stitched film without a map is broadcast time", () => {
    const plain = timelineOf({
        preferred: "stitched",
        stitched: { url: "/film.mp4", duration_ms: 9000, time_map: [] },
    });
    assert.deepEqual([plain.total, plain.broadcast(0, 4), plain.gaps], [9, 4, []]);
});

test("a whole leaves out the chunks that are missing", () => {
    assert.equal(WHOLE.total, 30);
    assert.deepEqual(WHOLE.gaps, [
        { start: 8, end: 12 },
        { start: 20, end: 22 },
    ]);
    assert.deepEqual(medium(WHOLE.locate(13)), [0, 9]);
    assert.deepEqual(medium(WHOLE.locate(23)), [0, 17]);
    assert.equal(WHOLE.broadcast(0, 17), 23);
});

test("a gap at the beginning or the end of a whole is no clip", () => {
    const missing = [
        { offset_ms: 0, duration_ms: 2000 },
        { offset_ms: 8000, duration_ms: 2000 },
    ];
    const whole = { url: "/whole.m3u8", duration_ms: 10000, playable_ms: 6000, missing };
    const timeline = timelineOf({ preferred: "whole", whole, gaps: [] });
    assert.equal(timeline.clips.length, 1);
    assert.equal(timeline.broadcast(0, 1), 3);
});

test("gaps between segments are none of the whole, and gaps that it has had at WeChat stay in its time", () => {
    const gaps = [{ offset_ms: 1200000, duration_ms: 1200000 }];
    const whole = { url: "/whole.m3u8", duration_ms: 3600000, playable_ms: 3000000, missing: [] };
    const timeline = timelineOf({ preferred: "whole", whole, gaps });
    assert.deepEqual([timeline.total, timeline.gaps], [3600, []]);
    assert.equal(timeline.broadcast(0, 1800), 1800);
    assert.deepEqual(medium(timeline.locate(3500)), [0, 3500]);
});

test("rounded lengths are no gap, and lengths that contradict each other do not overlap", () => {
    const rounded = timelineOf({ preferred: "segments", segments: [segment(1, 0, 8000), segment(2, 8300, 6000)] });
    assert.deepEqual(rounded.gaps, []);
    const overlapping = timelineOf({ preferred: "segments", segments: [segment(1, 0, 8000), segment(2, 3000, 6000)] });
    assert.deepEqual([overlapping.clips[1].start, overlapping.total], [8, 14]);
});

test("absurd numbers do no harm", () => {
    for (const number of [null, undefined, NaN, -5, Infinity, "9"]) {
        const timeline = timelineOf({
            preferred: "segments",
            segments: [segment(1, number, number), segment(2, 0, 1000)],
        });
        assert.equal(timeline.total, 1);
    }
});

test("where nothing can be played there is no timeline", () => {
    assert.equal(timelineOf({ preferred: "none", segments: [] }), null);
    assert.equal(timelineOf({ preferred: "segments", segments: [] }), null);
});
