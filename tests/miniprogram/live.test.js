const assert = require("node:assert/strict");
const { test } = require("node:test");

const live = require("../../examples/miniprogram/live/live");
const { open, settle, wechat } = require("./stage");

const MINUTE = 60_000;
let room = 1000;

// Opens the entry of a room whose status the plugin gives, each time it is asked. Time stands still.
async function enter(t, getLiveStatus, query = {}) {
    t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
    const asked = [];
    const plugin = {
        getLiveStatus(which) {
            asked.push(which);
            return getLiveStatus(asked.length);
        },
    };
    global.requirePlugin = (name) => {
        assert.equal(name, "live-player-plugin");
        return plugin;
    };
    const did = wechat(query.options);
    room += 1;
    const shown = await open("live/pages/entry/entry", { room_id: `${room}`, ...query });
    return { shown, did, asked, room };
}

async function pass(t, milliseconds) {
    t.mock.timers.tick(milliseconds);
    await settle();
}

const buttons = (shown) => [".enter", ".replay", ".retry"].flatMap((button) => shown.texts(button));
const answer = (liveStatus) => () => Promise.resolve({ liveStatus });

for (const [status, text, offered] of [
    [101, "正在直播", ["进入直播间"]],
    [102, "尚未开播", ["进入直播间"]],
    [103, "直播已结束", ["看回放"]],
    [104, "直播间已被禁播", []],
    [105, "主播暂时离开", ["进入直播间"]],
    [106, "直播中断，等待恢复", ["进入直播间"]],
    [107, "直播已过期，没有开播", []],
    ["101", "正在直播", ["进入直播间"]],
    [0, "暂时查不到直播状态", ["进入直播间"]],
    [108, "暂时查不到直播状态", ["进入直播间"]],
    [undefined, "暂时查不到直播状态", ["进入直播间"]],
]) {
    test(`status ${status} is told, and offers what is possible`, async (t) => {
        const { shown, asked, room } = await enter(t, answer(status));
        assert.deepEqual(asked, [{ room_id: room }]);
        assert.equal(shown.text(".state"), text);
        assert.deepEqual(buttons(shown), offered);
        assert.equal(shown.all(".reminder").length, status === 102 ? 1 : 0);
    });
}

test("the reminder is for the room, with the shop's parameters", async (t) => {
    const { shown, room } = await enter(t, answer(102));
    assert.equal(shown.told(".reminder", "roomId"), room);
    assert.deepEqual(JSON.parse(decodeURIComponent(shown.told(".reminder", "customParams"))), { from: "replays" });
});

test("a room is asked for at once, then once a minute, until it is over", async (t) => {
    const statuses = [102, 101, 103];
    const { shown, asked } = await enter(t, (time) => Promise.resolve({ liveStatus: statuses[time - 1] }));
    await pass(t, MINUTE - 1);
    assert.equal(asked.length, 1);
    await pass(t, 1);
    assert.equal(asked.length, 2);
    assert.equal(shown.text(".state"), "正在直播");
    await pass(t, MINUTE);
    assert.equal(shown.text(".state"), "直播已结束");
    await pass(t, 10 * MINUTE);
    assert.equal(asked.length, 3);
});

test("a page that is left and entered again does not ask sooner, and asks nothing while nobody looks", async (t) => {
    const { shown, asked, room } = await enter(t, answer(101));
    for (let times = 0; times < 5; times++) {
        await shown.call("onHide");
        await shown.call("onShow");
    }
    const again = await open("live/pages/entry/entry", { room_id: `${room}` });
    assert.equal(again.text(".state"), "正在直播");
    assert.equal(asked.length, 1);
    await again.call("onUnload");
    await pass(t, MINUTE);
    assert.equal(asked.length, 2);
    await shown.call("onHide");
    await pass(t, 10 * MINUTE);
    assert.equal(asked.length, 2);
});

test("a plugin that never answers is given up, and asked again a minute after it was", async (t) => {
    const { shown, asked } = await enter(t, (time) => (time === 1 ? new Promise(() => {}) : answer(101)()));
    assert.equal(shown.text(".state"), "正在查询直播状态…");
    await pass(t, 10_000);
    assert.equal(shown.text(".state"), "暂时查不到直播状态");
    assert.deepEqual(buttons(shown), ["进入直播间"]);
    await pass(t, 49_999);
    assert.equal(asked.length, 1);
    await pass(t, 1);
    assert.equal(shown.text(".state"), "正在直播");
});

test("an answer that comes after the page was left is for nobody", async (t) => {
    const { shown, asked } = await enter(t, () => new Promise(() => {}));
    await shown.call("onHide");
    await pass(t, 10 * MINUTE);
    assert.equal(shown.text(".state"), "正在查询直播状态…");
    assert.equal(asked.length, 1);
});

for (const [how, fail] of [
    ["rejects", () => Promise.reject(new Error("network"))],
    [
        "throws",
        () => {
            throw new Error("broken");
        },
    ],
    ["answers nothing", () => undefined],
]) {
    test(`a plugin that ${how} leaves the state unknown, and is asked again`, async (t) => {
        const { shown, asked } = await enter(t, (time) => (time === 1 ? fail() : answer(101)()));
        assert.equal(shown.text(".state"), "暂时查不到直播状态");
        await pass(t, MINUTE);
        assert.equal(asked.length, 2);
        assert.equal(shown.text(".state"), "正在直播");
    });
}

test("a plugin that is not there is told, and can be tried again", async (t) => {
    const { shown, did } = await enter(t, answer(101));
    const there = global.requirePlugin;
    global.requirePlugin = () => {
        throw new Error("plugin is not declared");
    };
    const missing = await open("live/pages/entry/entry", { room_id: "9" });
    assert.equal(missing.text(".state"), "直播组件没有加载成功，请稍后再试");
    assert.deepEqual(buttons(missing), ["重试"]);
    global.requirePlugin = there;
    await missing.tap(".retry");
    assert.equal(missing.text(".state"), "正在直播");
    assert.deepEqual(did.went, []);
    await shown.call("onHide");
});

test("the room is entered with its number, the shop's parameters and the type of the entry", async (t) => {
    const { shown, did, room } = await enter(t, answer(101), { type: "9", name: "%E5%8F%8C11" });
    assert.equal(shown.text(".name"), "双11");
    await shown.tap(".enter");
    const params = encodeURIComponent('{"from":"replays"}');
    assert.deepEqual(did.went, [
        `navigateTo plugin-private://wx2b03c6e691cd7370/pages/live-player-plugin?room_id=${room}&open_share_ticket=1&type=9&custom_params=${params}`,
    ]);
});

test("a name that is badly encoded is shown as it is, and none by the room's number", async (t) => {
    const { shown, room } = await enter(t, answer(104), { name: "100%" });
    assert.equal(shown.text(".name"), "100%");
    const unnamed = await open("live/pages/entry/entry", { room_id: `${room}` });
    assert.equal(unnamed.text(".name"), `直播间 ${room}`);
});

test("a room that cannot be entered is told", async (t) => {
    const { shown, did } = await enter(t, answer(0), { options: { hasPage: () => false } });
    await shown.tap(".enter");
    assert.deepEqual(did.toasts, ["直播间打不开，请稍后再试"]);
});

test("a room that has ended leads to its replay", async (t) => {
    const { shown, did, room } = await enter(t, answer(103));
    await shown.tap(".replay");
    assert.deepEqual(did.went, [`redirectTo /pages/room/room?room_id=${room}`]);
});

test("the address of a room has what an entry needs", () => {
    const page = "plugin-private://wx2b03c6e691cd7370/pages/live-player-plugin?room_id=7&open_share_ticket=1";
    assert.equal(live.roomUrl(7), page);
    assert.equal(live.roomUrl("7", { type: live.BY_CODE }), `${page}&type=9`);
    assert.equal(live.roomUrl(7, { type: live.BY_ARTICLE }), `${page}&type=10`);
    assert.equal(live.roomUrl(7, { type: 11 }), page);
    for (const no of ["", "7&type=9", "-1", undefined]) assert.throws(() => live.roomUrl(no), RangeError);
});

test("parameters are refused that WeChat would cut off", () => {
    const params = (length) => ({ a: "x".repeat(length) });
    const frame = encodeURIComponent('{"a":""}').length;
    assert.match(live.roomUrl(7, { params: params(600 - frame) }), /x%22%7D$/);
    assert.throws(() => live.roomUrl(7, { params: params(601 - frame) }), /601 characters, 600 are allowed/);
    assert.throws(() => live.encoded({ a: "双".repeat(70) }), /characters, 600 are allowed/);
});
