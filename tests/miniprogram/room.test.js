const assert = require("node:assert/strict");
const { test } = require("node:test");

const { MINUTE, STITCHED, WHOLE, playback, room } = require("./answers");
const { open, serve, settle, wechat } = require("./stage");

const PLAYBACK = "/rooms/354/playback";
const POSITION = "wx0123456789abcdef/354";

// Opens the room, and says what it plays, what WeChat did, and what the server was asked.
async function watch(answer, { stored, goods = room(), ...options } = {}) {
    const did = wechat(options);
    if (stored !== undefined) did.stored.set("positions", [[POSITION, stored]]);
    const asked = serve({ "/rooms/354": goods, [PLAYBACK]: answer });
    const shown = await open("pages/room/room", { room_id: "354", name: "%E5%8F%8C11" });
    return { shown, did, asked };
}

const src = (shown) => shown.told("#film", "src");
const at = (shown) => shown.told("#film", "initialTime");
const fresh = () => {
    let times = 0;
    const renewed = (url) => url.replace("signature=1", `signature=${times}`);
    return () => {
        times += 1;
        const { segments, ...rest } = playback();
        return { ...rest, segments: segments.map((one) => ({ ...one, url: renewed(one.url) })) };
    };
};

async function playTo(shown, seconds) {
    await shown.event("#film", "timeupdate", { currentTime: seconds, duration: 600 });
}

test("a stitched film is played as one", async () => {
    const { shown } = await watch(playback({ preferred: "stitched", stitched: STITCHED, whole: WHOLE }));
    assert.equal(src(shown), STITCHED.url);
    assert.equal(shown.told("#film", "autoplay"), false);
    assert.equal(
        shown.told("#film", "poster"),
        "https://replays.example.com/media/wx0123456789abcdef/354/cover.jpg?e=1&s=x",
    );
    assert.equal(shown.all(".clip").length, 0);
});

test("the whole is played where there is no film", async () => {
    const { shown } = await watch(playback({ preferred: "whole", whole: WHOLE }));
    assert.equal(src(shown), WHOLE.url);
});

test("segments are played in turn, and the last leads to the beginning", async () => {
    const { shown, did } = await watch(playback());
    for (const index of [1, 2, 3]) {
        assert.match(src(shown), new RegExp(`/${index}\\.mp4`));
        assert.equal(shown.told("#film", "autoplay"), index > 1);
        await playTo(shown, 599);
        await shown.event("#film", "ended");
    }
    assert.match(src(shown), /\/1\.mp4/);
    assert.equal(shown.told("#film", "autoplay"), false);
    assert.deepEqual(did.stored.get("positions"), []);
});

test("a segment can be chosen", async () => {
    const { shown } = await watch(playback());
    assert.deepEqual(shown.texts(".clip"), ["第 1 段", "第 2 段", "第 3 段"]);
    await shown.tap(".clip", 2);
    assert.match(src(shown), /\/3\.mp4/);
});

test("a room resumes where somebody left, over a gap, however it is played", async () => {
    const stored = 26 * MINUTE;
    const { shown, did } = await watch(playback(), { stored });
    assert.match(src(shown), /\/3\.mp4/);
    assert.equal(at(shown), 60);
    assert.deepEqual(did.toasts, ["从上次看到的地方继续"]);
    const stitched = await watch(playback({ stitched: STITCHED }), { stored });
    assert.equal(at(stitched.shown), 21 * 60);
    const whole = await watch(playback({ preferred: "whole", whole: WHOLE }), { stored });
    assert.equal(at(whole.shown), 26 * 60);
});

test("a position is remembered as it plays, on pause, and when the page is left", async () => {
    const { shown, did } = await watch(playback());
    const stored = () => did.stored.get("positions")?.[0][1];
    await playTo(shown, 4);
    assert.equal(stored(), undefined);
    await playTo(shown, 5);
    assert.equal(stored(), 5000);
    await playTo(shown, 7);
    await shown.event("#film", "pause");
    assert.equal(stored(), 7000);
    await playTo(shown, 8);
    await shown.call("onHide");
    assert.equal(stored(), 8000);
    await shown.tap(".clip", 2);
    await playTo(shown, 9);
    await shown.call("onUnload");
    assert.equal(stored(), 25 * MINUTE + 9000);
});

test("a player that ignores the initial time is sought there once", async () => {
    const { shown, did } = await watch(playback(), { stored: 5 * MINUTE });
    await playTo(shown, 0.25);
    await playTo(shown, 0.5);
    assert.deepEqual(did.video, [["seek", 300]]);
});

test("an expired URL is asked for once more, and it resumes at the same second", async () => {
    const { shown, asked } = await watch(fresh());
    await shown.event("#film", "ended");
    await playTo(shown, 125);
    await shown.event("#film", "error");
    assert.equal(src(shown), "https://bucket.example.com/2.mp4?signature=2");
    assert.equal(at(shown), 125);
    assert.equal(shown.told("#film", "autoplay"), true);
    assert.equal(asked.filter((path) => path === PLAYBACK).length, 2);
    assert.equal(shown.text(".reason"), "");
});

test("a fresh URL that fails as well is told, and can be tried again or skipped", async () => {
    const { shown, asked } = await watch(fresh());
    await shown.event("#film", "error");
    await shown.event("#film", "error");
    assert.equal(asked.filter((path) => path === PLAYBACK).length, 2);
    assert.equal(shown.text(".reason"), "视频无法播放，请检查网络后重试");
    await shown.tap(".retry");
    assert.equal(asked.filter((path) => path === PLAYBACK).length, 3);
    assert.equal(shown.text(".reason"), "");
    await shown.event("#film", "error");
    await shown.event("#film", "error");
    await shown.tap(".skip");
    assert.match(src(shown), /\/2\.mp4/);
    assert.equal(shown.text(".reason"), "");
});

test("URLs that expire again hours later are asked for again", async () => {
    const { shown, asked } = await watch(fresh());
    for (const seconds of [100, 200, 300]) {
        await playTo(shown, seconds);
        await shown.event("#film", "error");
        assert.equal(at(shown), seconds);
    }
    assert.equal(asked.filter((path) => path === PLAYBACK).length, 4);
});

test("a film that was seen to its end may expire where it was replaced before", async () => {
    const { shown, asked } = await watch(fresh());
    await shown.event("#film", "error");
    for (const seconds of [5, 9]) await playTo(shown, seconds);
    await shown.event("#film", "error");
    assert.equal(asked.filter((path) => path === PLAYBACK).length, 2);
    for (let segment = 0; segment < 3; segment++) await shown.event("#film", "ended");
    await shown.event("#film", "error");
    assert.equal(asked.filter((path) => path === PLAYBACK).length, 3);
    assert.equal(shown.text(".reason"), "");
});

test("a link that never changes is loaded again", async () => {
    const { shown } = await watch(playback({ stitched: STITCHED }));
    await playTo(shown, 50);
    const before = shown.page.querySelector("#film").dom;
    await shown.event("#film", "error");
    assert.notEqual(shown.page.querySelector("#film").dom, before);
    assert.equal(at(shown), 50);
});

test("one failure that is reported several times asks once, and nothing is told meanwhile", async () => {
    let answerAgain;
    const answers = [playback(), new Promise((resolve) => (answerAgain = resolve))];
    const { shown, asked } = await watch(() => answers.shift());
    for (let times = 0; times < 3; times++) await shown.event("#film", "error");
    assert.equal(shown.text(".reason"), "");
    answerAgain(playback());
    await settle();
    assert.equal(shown.text(".reason"), "");
    assert.equal(asked.filter((path) => path === PLAYBACK).length, 2);
});

test("the speed is kept for the next segment", async () => {
    const { shown, did } = await watch(playback());
    assert.deepEqual(shown.texts(".speed"), ["0.5×", "0.8×", "1×", "1.25×", "1.5×", "2×"]);
    await shown.tap(".speed", 5);
    await shown.event("#film", "ended");
    await shown.event("#film", "play");
    assert.deepEqual(did.video, [
        ["playbackRate", 2],
        ["playbackRate", 2],
    ]);
});

test("landscape fills the screen", async () => {
    const { shown, did } = await watch(playback());
    await shown.tap(".landscape");
    assert.deepEqual(did.video, [["requestFullScreen", { direction: 90 }]]);
});

for (const [what, answer, sentence] of [
    ["is not archived", 404, "没有找到回放，可能尚未归档"],
    ["may not be seen", 401, "没有权限查看这里的回放，请联系商家"],
    ["is asked for by too many", 503, "现在观看的人太多，请稍后再试"],
    ["breaks the server", 500, "服务器出了问题，请稍后再试"],
    ["comes from no API", "<html>", "服务器出了问题，请稍后再试"],
    ["is answered too slowly", new Error("request:fail timeout"), "服务器响应太慢，请稍后再试"],
    ["is out of reach", new Error("request:fail"), "网络不通，请检查网络后重试"],
    [
        "is at a forbidden domain",
        new Error("request:fail url not in domain list"),
        "请求的域名不在小程序的合法域名列表里，请联系商家",
    ],
    ["has nothing to play", playback({ preferred: "none", segments: [] }), "这场直播没有可以播放的回放"],
    [
        "has URLs of no use",
        playback({ segments: [{ index: 1, url: "javascript:alert(1)", offset_ms: 0, gap_before_ms: 0 }] }),
        "这场直播没有可以播放的回放",
    ],
]) {
    test(`a room that ${what} is told in Chinese`, async () => {
        const { shown, did } = await watch(answer);
        assert.equal(shown.text(".reason"), sentence);
        assert.equal(shown.all("#film").length, 0);
        await shown.tap(".live");
        assert.match(did.went[0], /^navigateTo \/live\/pages\/entry\/entry\?room_id=354&name=/);
    });
}

test("after a failure the room can be tried again", async () => {
    const answers = [503, playback()];
    const { shown } = await watch(() => answers.shift());
    await shown.tap(".retry");
    assert.match(src(shown), /\/1\.mp4/);
    assert.equal(shown.text(".reason"), "");
});

test("names are shown as text", async () => {
    const { shown } = await watch(playback());
    assert.equal(shown.text(".head .name"), "双11 <b>专场</b>");
    assert.equal(shown.text(".head .muted"), "小王 · 2026-11-20 20:05");
});

test("the shelf opens the item's page with the room", async () => {
    const { shown, did } = await watch(playback());
    assert.deepEqual(shown.texts(".item-name"), ["羊毛围巾", "商品"]);
    assert.deepEqual(shown.texts(".price"), ["¥2112.00", ""]);
    await shown.tap(".item");
    await shown.tap(".item", 1);
    assert.deepEqual(did.went, [
        "navigateTo /pages/goods/detail?id=61&room_id=354",
        "navigateTo /pages/goods/goods?goods_id=62&room_id=354",
    ]);
});

test("where the item's page is not in this mini program, the sample's own opens", async () => {
    const { shown, did } = await watch(playback(), { hasPage: (url) => url.startsWith("/pages/goods/goods") });
    await shown.tap(".item");
    assert.equal(did.went[1], "navigateTo /pages/goods/goods?goods_id=61&room_id=354");
});

test("the film plays though the goods cannot be had", async () => {
    const { shown } = await watch(playback(), { goods: 500 });
    assert.match(src(shown), /\/1\.mp4/);
    assert.equal(shown.text(".notice"), "商品加载失败：服务器出了问题，请稍后再试");
});
