const assert = require("node:assert/strict");
const { test } = require("node:test");

const memory = require("../../examples/miniprogram/lib/memory");
const { wechat } = require("./stage");

test("the rooms that were last watched are remembered", () => {
    wechat();
    for (let room = 0; room < 250; room++) memory.remember(room, 1000 + room);
    assert.deepEqual([249, 50, 49, 300].map(memory.position), [1249, 1050, 0, 0]);
    memory.forget(249);
    assert.deepEqual([249, 248].map(memory.position), [0, 1248]);
});

test("what others left in the storage is no position", () => {
    const { stored } = wechat();
    for (const left of [null, 7, "text", {}, [[1]], [null], [["wx0123456789abcdef/354", "soon"]]]) {
        stored.set("positions", left);
        assert.equal(memory.position(354), 0);
        memory.remember(354, 5);
        assert.equal(memory.position(354), 5);
    }
});

test("a storage that is full or forbidden remembers nothing", () => {
    wechat();
    wx.getStorageSync = wx.setStorageSync = () => {
        throw new Error("exceed storage max size");
    };
    memory.remember(354, 5);
    assert.equal(memory.position(354), 0);
});
