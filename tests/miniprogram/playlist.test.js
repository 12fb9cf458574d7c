const assert = require("node:assert/strict");
const { test } = require("node:test");

const { broadcastTime, locate, plan } = require("../../examples/miniprogram/lib/playlist");
const { MINUTE, SEGMENTS, STITCHED, WHOLE, playback, segment } = require("./answers");

const place = (planned, minutes) => {
    const { clip, seconds } = locate(planned, minutes * MINUTE);
    return [clip, seconds / 60];
};

test("the film is played before the whole, and the whole before the segments", () => {
    assert.equal(plan(playback({ stitched: STITCHED, whole: WHOLE })).kind, "stitched");
    assert.equal(plan(playback({ whole: WHOLE })).kind, "whole");
    assert.equal(plan(playback()).kind, "segments");
    assert.equal(plan(playback({ segments: [] })).kind, "none");
    assert.equal(plan({}).kind, "none");
});

test("a whole that plays less than the segments is played only where it is preferred, or alone", () => {
    const whole = { ...WHOLE, playable_ms: 20 * MINUTE };
    assert.equal(plan(playback({ whole })).kind, "segments");
    assert.equal(plan(playback({ whole, preferred: "whole" })).kind, "whole");
    assert.equal(plan(playback({ whole, segments: [] })).kind, "whole");
});

test("a time of the broadcast is found in the segments, and what is missing leads to what follows", () => {
    const planned = plan(playback());
    assert.deepEqual(
        [0, 9, 10, 19, 20, 24, 25, 30].map((minutes) => place(planned, minutes)),
        [
            [0, 0],
            [0, 9],
            [1, 0],
            [1, 9],
            [2, 0],
            [2, 0],
            [2, 0],
            [2, 5],
        ],
    );
});

test("a time of the broadcast is found in the film, which leaves out what is missing", () => {
    const planned = plan(playback({ stitched: STITCHED }));
    assert.deepEqual(
        [0, 19, 22, 25, 34].map((minutes) => place(planned, minutes)),
        [
            [0, 0],
            [0, 19],
            [0, 20],
            [0, 20],
            [0, 29],
        ],
    );
});

test("a gap that a whole has had at WeChat stays in its time", () => {
    const planned = plan(playback({ preferred: "whole", whole: { ...WHOLE, playable_ms: 20 * MINUTE } }));
    assert.equal(planned.clips[0].duration_ms, 35 * MINUTE);
});

test("a time of the broadcast is found in the whole, which leaves out its missing chunks", () => {
    const missing = [5, 20].map((minutes) => ({ offset_ms: minutes * MINUTE, duration_ms: MINUTE }));
    const planned = plan(playback({ whole: { ...WHOLE, playable_ms: 33 * MINUTE, missing } }));
    assert.deepEqual(
        [4, 5, 6, 7, 20.5, 22].map((minutes) => place(planned, minutes)),
        [
            [0, 4],
            [0, 5],
            [0, 5],
            [0, 6],
            [0, 19],
            [0, 20],
        ],
    );
});

test("a time after the end leads to the beginning", () => {
    for (const planned of [plan(playback()), plan(playback({ stitched: STITCHED }))])
        assert.deepEqual(place(planned, 35), [0, 0]);
});

test("what plays is a time of the broadcast, and that leads back to it", () => {
    const plans = [plan(playback()), plan(playback({ stitched: STITCHED })), plan(playback({ whole: WHOLE }))];
    for (const planned of plans) {
        planned.clips.forEach(({ duration_ms }, clip) => {
            for (let seconds = 0; seconds < duration_ms / 1000; seconds += 37) {
                assert.deepEqual(locate(planned, broadcastTime(planned, clip, seconds)), { clip, seconds });
            }
        });
    }
});

test("segments of unknown length play in turn", () => {
    const segments = SEGMENTS.map((one) => ({ ...one, duration_ms: null }));
    const planned = plan(playback({ segments }));
    assert.deepEqual(
        [9, 10, 24, 26, 99].map((minutes) => place(planned, minutes)),
        [
            [0, 9],
            [1, 0],
            [1, 14],
            [2, 1],
            [2, 74],
        ],
    );
});

test("what is no segment, no URL and no number is left out", () => {
    const absolute = (url) => (`${url}`.startsWith("https://") ? url : null);
    const segments = [null, "text", {}, segment(1, 0, { url: "file:///etc" }), segment(2, -1, { duration_ms: "long" })];
    const planned = plan(playback({ segments, whole: { ...WHOLE, url: 7 } }), absolute);
    assert.deepEqual(planned.clips, [{ url: segment(2, 0).url, duration_ms: null }]);
    assert.deepEqual(locate(planned, 1000), { clip: 0, seconds: 1 });
    const stitched = { url: "https://x/film.mp4", time_map: [null, { film_ms: "1" }] };
    assert.deepEqual(locate(plan(playback({ stitched })), 5000), { clip: 0, seconds: 5 });
    assert.equal(plan(playback({ segments: "all", whole: {} })).kind, "none");
});
