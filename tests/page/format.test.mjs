import assert from "node:assert/strict";
import { test } from "node:test";

import {
    beijingDay,
    clock,
    fromNow,
    length,
    position,
    price,
    size,
    spoken,
    untilClock,
} from "../../src/serve/web/assets/format.js";

const EVENING = "2026-11-20T12:05:03Z"; // 20:05:03 in Beijing
const LATE = "2026-11-20T15:59:30Z"; // 23:59:30

test("a position is hours, minutes and seconds", () => {
    assert.deepEqual([0, 59.9, 61, 3600, 36005, -1, NaN].map(position), [
        "0:00",
        "0:59",
        "1:01",
        "1:00:00",
        "10:00:05",
        "0:00",
        "0:00",
    ]);
});

test("a screen reader hears units", () => {
    assert.equal(spoken(3725), "1 hour 2 minutes 5 seconds");
    assert.equal(spoken(61), "1 minute 1 second");
    assert.equal(spoken(0), "0 seconds");
});

test("a length is as exact as is useful", () => {
    assert.deepEqual([45e3, 75e3, 12 * 60e3 + 5e3, 92 * 60e3].map(length), [
        "45 sec",
        "1 min 15 sec",
        "12 min",
        "1 hr 32 min",
    ]);
});

test("a size has a unit", () => {
    assert.deepEqual([0, 1023, 1024, 1.5 * 2 ** 30, 2 ** 50].map(size), [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.5 GiB",
        "1024 TiB",
    ]);
});

test("a price is in yuan", () => {
    assert.match(price(211200), /2,112\.00/);
    assert.match(price(1), /0\.01/);
});

test("the day is Beijing's", () => {
    assert.equal(beijingDay("2026-11-20T16:00:00Z"), "Nov 21, 2026");
    assert.equal(beijingDay(null), null);
    assert.equal(beijingDay("nonsense"), null);
});

test("the clock is Beijing's, and goes on over midnight", () => {
    assert.equal(clock(EVENING, 0), "20:05:03");
    assert.equal(clock(EVENING, 3600.9), "21:05:03");
    assert.equal(clock(LATE, 60), "00:00:30");
    assert.equal(clock(null, 60), null);
});

test("a time of day is found in the broadcast, after midnight as well", () => {
    assert.equal(untilClock(EVENING, "20:05:03"), 0);
    assert.equal(untilClock(EVENING, "20:06"), 57);
    assert.equal(untilClock(LATE, "00:10:00"), 630);
});

test("what is near is told in hours, what is far in days", () => {
    const now = Date.parse(EVENING);
    const after = (hours) => new Date(now + hours * 3600e3).toISOString();
    assert.deepEqual(
        [0.5, 5, 72, -5].map((hours) => fromNow(after(hours), now)),
        ["in 30 minutes", "in 5 hours", "in 3 days", "5 hours ago"],
    );
});
