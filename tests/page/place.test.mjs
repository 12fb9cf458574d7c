import assert from "node:assert/strict";
import { test } from "node:test";

import { parsed } from "../../src/serve/web/assets/api.js";
import { isPast, visible } from "../../src/serve/web/assets/format.js";
import { placeOf } from "../../src/serve/web/assets/place.js";

test("an address that cannot be decoded names a room that is not there", () => {
    assert.deepEqual(placeOf({ pathname: "/rooms/wx1/354" }), { appid: "wx1", room: "354" });
    assert.deepEqual(placeOf({ pathname: "/rooms/wx%ff/1" }), { appid: "wx%ff", room: "1" });
    assert.deepEqual(placeOf({ pathname: "/rooms/a/%" }), { appid: "a", room: "%" });
});

test("a name that shows nothing is none", () => {
    for (const nothing of [null, undefined, "", "  ", "\u200b", "\u200b \u2060\ufeff", "\u00ad", "\u3164", "\u0301"])
        assert.equal(visible(nothing), "", JSON.stringify(nothing));
    assert.equal(visible(" \u53cc11 \u{1f468}\u200d\u{1f469} "), "\u53cc11 \u{1f468}\u200d\u{1f469}");
});

test("the number of a room is kept, however large it is", () => {
    const [number, name] = ["18446744073709551615", '"room_id":12'];
    const text = `{"rooms":[{"room_id":${number},"name":${JSON.stringify(name)}}]}`;
    assert.deepEqual(parsed(text), { rooms: [{ room_id: number, name }] });
});

test("a deadline has passed or not", () => {
    const now = Date.parse("2026-11-22T03:00:00Z");
    assert.equal(isPast("2026-11-21T21:00:00Z", now), true);
    assert.equal(isPast("2026-11-22T03:00:01Z", now), false);
    assert.equal(isPast(null, now), false);
});
