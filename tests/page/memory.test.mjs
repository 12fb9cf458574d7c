import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import * as memory from "../../src/serve/web/assets/player/memory.js";

const ROOM = { appid: "wx0123456789abcdef", room: "354" };

beforeEach(() => {
    const stored = new Map();
    globalThis.localStorage = {
        getItem: (key) => stored.get(key) ?? null,
        setItem: (key, value) => stored.set(key, value),
    };
});

test("a position is of one room of one account", () => {
    memory.rememberPosition(ROOM, 93.7);
    assert.equal(memory.position(ROOM), 93);
    assert.equal(memory.position({ ...ROOM, room: "355" }), 0);
    assert.equal(memory.position({ ...ROOM, appid: "wxfedcba9876543210" }), 0);
});

test("the rooms that were last watched are kept", () => {
    for (let room = 0; room < 250; room++) memory.rememberPosition({ ...ROOM, room: `${room}` }, 10);
    assert.equal(memory.position({ ...ROOM, room: "249" }), 10);
    assert.equal(memory.position({ ...ROOM, room: "0" }), 0);
});

test("what others left in the storage is no position and no setting", () => {
    for (const left of ["{", "null", "7", '"text"', "[[1]]", "{}"]) {
        localStorage.setItem("positions", left);
        localStorage.setItem("speed", left === "7" ? '"fast"' : left);
        assert.equal(memory.position(ROOM), 0, left);
        assert.equal(memory.setting("speed", 1), 1, left);
        memory.rememberPosition(ROOM, 5);
        assert.equal(memory.position(ROOM), 5, left);
    }
});

test("a storage that is forbidden remembers nothing", () => {
    globalThis.localStorage = {
        getItem: () => {
            throw new Error("denied");
        },
        setItem: () => {
            throw new Error("full");
        },
    };
    memory.rememberPosition(ROOM, 5);
    assert.equal(memory.position(ROOM), 0);
});
