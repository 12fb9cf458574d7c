const assert = require("node:assert/strict");
const { test } = require("node:test");

const { pageOf } = require("../../examples/miniprogram/lib/goods");
const { room } = require("./answers");
const { open, serve, wechat } = require("./stage");

async function show(query, options) {
    const did = wechat(options);
    serve({ "/rooms/354": room() });
    return { shown: await open("pages/goods/goods", query), did };
}

test("an item is shown", async () => {
    const { shown } = await show({ room_id: "354", goods_id: "61" });
    assert.equal(shown.text(".item .name"), "羊毛围巾");
    assert.equal(shown.text(".price"), "¥2112.00");
});

test("an item that is not there is told", async () => {
    for (const query of [{ room_id: "354", goods_id: "7" }, { room_id: "354" }]) {
        const { shown } = await show(query);
        assert.equal(shown.text(".fault"), "没有找到这件商品");
    }
    const { shown } = await show({ room_id: "9", goods_id: "61" });
    assert.equal(shown.text(".fault"), "没有找到回放，可能尚未归档");
});

test("the page's own button leads back to the room that it was opened from", async () => {
    const { shown, did } = await show({ room_id: "354", goods_id: "61" }, { pages: 2 });
    await shown.tap(".back");
    assert.deepEqual(did.went, ["navigateBack"]);
});

test("with nothing behind the page it leads to the room's replay, or to the list", async () => {
    const shared = await show({ room_id: "354", goods_id: "61" });
    await shared.shown.tap(".back");
    assert.deepEqual(shared.did.went, ["redirectTo /pages/room/room?room_id=354"]);
    const lost = await show({});
    await lost.shown.tap(".back");
    assert.deepEqual(lost.did.went, ["redirectTo /pages/rooms/rooms"]);
});

test("an item leads to a page of this mini program and nowhere else", () => {
    const own = "/pages/goods/goods?goods_id=61&room_id=354";
    for (const [url, page] of [
        ["pages/goods/detail", "/pages/goods/detail?room_id=354"],
        ["/pages/goods/detail.html", "/pages/goods/detail?room_id=354"],
        ["pages/goods/detail?id=1&room_id=9&x=%E4%B8%80", "/pages/goods/detail?id=1&x=%E4%B8%80&room_id=354"],
        ["https://example.com/pages/x", own],
        ["plugin-private://wx0/pages/x", own],
        ["../pages/x", own],
        ["", own],
        [null, own],
    ]) {
        assert.equal(pageOf({ goods_id: 61, url }, "354"), page, url);
    }
});
