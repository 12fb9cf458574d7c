const assert = require("node:assert/strict");
const { test } = require("node:test");

const { entry, page } = require("./answers");
const { open, serve, settle, wechat } = require("./stage");

async function list(rooms) {
    const did = wechat();
    const asked = serve({ "/rooms": rooms });
    return { shown: await open("pages/rooms/rooms"), did, asked };
}

test("rooms are listed with what one chooses by", async () => {
    const { shown } = await list(
        page([entry(354, { name: "<i>双11</i>" }), entry(353, { name: " ", cover_url: null })]),
    );
    assert.deepEqual(shown.texts(".name"), ["<i>双11</i>", "直播间 353"]);
    assert.deepEqual(shown.texts(".muted").slice(0, 2), ["小王", "2026-11-20 20:05 1:35:00"]);
    assert.equal(
        shown.told(".cover", "src"),
        "https://replays.example.com/media/wx0123456789abcdef/354/cover.jpg?e=1&s=x",
    );
    assert.equal(shown.all(".blank").length, 1);
    assert.equal(shown.text(".notice"), "共 2 场");
});

test("a room of which little is known is listed", async () => {
    const { shown } = await list(page([{ appid: "wx0123456789abcdef", room_id: 1, name: "一" }]));
    assert.deepEqual(shown.texts(".badge"), ["尚未归档"]);
});

test("archived rooms lead to the replay, rooms to come or live to the live plugin", async () => {
    const states = [
        [{ status: "complete" }, "回放", "/pages/room/room"],
        [{ status: "partial" }, "部分回放", "/pages/room/room"],
        [{ status: "lost" }, "回放已失效", "/pages/room/room"],
        [{ status: "empty" }, "无回放", "/pages/room/room"],
        [{ status: null, live_status: 101 }, "直播中", "/live/pages/entry/entry"],
        [{ status: null, live_status: 102 }, "预告", "/live/pages/entry/entry"],
        [{ status: "partial", live_status: 105 }, "暂停中", "/live/pages/entry/entry"],
        [{ status: null, live_status: 106 }, "直播中断", "/live/pages/entry/entry"],
        [{ status: "complete", live_status: 101 }, "回放", "/pages/room/room"],
        [{ status: null, live_status: 104 }, "尚未归档", "/pages/room/room"],
        [{ status: null, live_status: 107 }, "尚未归档", "/pages/room/room"],
        [{ status: null, live_status: 0 }, "尚未归档", "/pages/room/room"],
    ];
    const { shown, did } = await list(
        page(states.map(([state], index) => entry(index + 1, { name: "一&二", ...state }))),
    );
    assert.deepEqual(
        shown.texts(".badge"),
        states.map(([, badge]) => badge),
    );
    for (let index = 0; index < states.length; index++) await shown.tap(".card", index);
    const query = (index) => `?room_id=${index + 1}&name=${encodeURIComponent("一&二")}`;
    assert.deepEqual(
        did.went,
        states.map(([, , path], index) => `navigateTo ${path}${query(index)}`),
    );
});

test("the next page comes when the bottom is reached, and the last has none", async () => {
    const { shown, asked } = await list((query) =>
        query.get("cursor") === "1.354"
            ? page([entry(353)], { total: 2 })
            : page([entry(354)], { total: 2, next_cursor: "1.354" }),
    );
    assert.equal(shown.text(".notice"), "上滑查看更多（共 2 场）");
    await shown.call("onReachBottom");
    assert.deepEqual(shown.texts(".name"), ["第 354 场", "第 353 场"]);
    await shown.call("onReachBottom");
    assert.deepEqual(asked, ["/rooms?limit=20", "/rooms?cursor=1.354&limit=20"]);
});

test("what is typed is searched for after a pause, and pages are of the same words", async (t) => {
    const { shown, asked } = await list(page([entry(354)], { next_cursor: "1.354" }));
    t.mock.timers.enable({ apis: ["setTimeout"] });
    for (const value of ["双", "双11", " 双11 & 小王 "]) {
        await shown.event(".words", "input", { value });
        t.mock.timers.tick(200);
    }
    assert.equal(asked.length, 1);
    t.mock.timers.tick(100);
    await settle();
    await shown.call("onReachBottom");
    const words = encodeURIComponent("双11 & 小王");
    assert.deepEqual(asked.slice(1), [`/rooms?q=${words}&limit=20`, `/rooms?q=${words}&cursor=1.354&limit=20`]);
});

test("an answer that comes after a later question is left", async () => {
    let answerFirst;
    const answers = [new Promise((resolve) => (answerFirst = resolve)), page([entry(2)])];
    const { shown } = await list(() => answers.shift());
    await shown.call("onPullDownRefresh");
    answerFirst(page([entry(1)]));
    await settle();
    assert.deepEqual(shown.texts(".name"), ["第 2 场"]);
});

test("no room is told", async () => {
    const { shown } = await list(page([]));
    assert.equal(shown.text(".notice"), "没有找到直播间");
});

test("an account that the server does not know is told", async () => {
    const { shown } = await list(404);
    assert.match(shown.text(".fault"), /没有找到回放，可能尚未归档/);
});

test("a failure is told, and what failed is tried again below what is there", async () => {
    const answers = [page([entry(2)], { total: 2, next_cursor: "1.2" }), 503, page([entry(1)], { total: 2 })];
    const { shown, asked } = await list(() => answers.shift());
    await shown.call("onReachBottom");
    assert.match(shown.text(".fault"), /现在观看的人太多，请稍后再试/);
    await shown.tap(".retry");
    assert.deepEqual(shown.texts(".name"), ["第 2 场", "第 1 场"]);
    assert.equal(asked[2], asked[1]);
});
