// The player of a room: a screen, a bar and controls around an engine.

import { Problem, playback } from "../api.js";
import { copy, el } from "../dom.js";
import { length, position, untilClock } from "../format.js";
import { t } from "../i18n.js";
import { signIn } from "../page.js";
import { bar } from "./bar.js";
import { SPEEDS, controls } from "./controls.js";
import { Engine } from "./engine.js";
import * as keys from "./keys.js";
import * as memory from "./memory.js";
import { screen } from "./screen.js";
import { timelineOf } from "./timeline.js";

const REMEMBER_SECONDS = 5;
const IDLE_MS = 3000;

// Opens the player of a room in an element: at a broadcast time, or else where this browser stopped. `pass` is the
// signature of an embed link. Returns `{ engine, playback }`; the engine is null where there is nothing to play.
export async function open(host, place, { at = null, pass = {} } = {}) {
    const first = await playback(place, pass);
    if (!timelineOf(first)) {
        host.replaceChildren(el("p", { class: "nothing" }, t("room.not_playable")));
        return { engine: null, playback: first };
    }
    const does = {};
    const shown = screen(first.poster_url, does);
    const engine = new Engine(shown.videos, plans(first, place, pass));
    const remembered = at === null ? memory.position(place) : 0;
    await engine.open(at ?? remembered);
    Object.assign(does, actions(engine, host, shown, first.start_time));
    build(host, engine, shown, does, first.start_time);
    remember(engine, place);
    if (remembered > 0) {
        const restart = { text: t("player.restart"), click: () => engine.seek(0) };
        shown.say(t("player.resumed", { position: position(remembered) }), restart);
    }
    return { engine, playback: first };
}

// What the engine plays: the answer that is there already, and a fresh one each time it asks again.
function plans(first, place, pass) {
    let ready = first;
    return async () => {
        const answer = ready ?? (await playback(place, pass));
        ready = null;
        const timeline = timelineOf(answer);
        if (!timeline) throw new Problem(404, t("room.not_playable"));
        return { timeline, lifetime_ms: answer.lifetime_ms };
    };
}

function build(host, engine, shown, does, start) {
    const slider = bar(engine.timeline, start, (time) => engine.seek(time));
    const below = controls(engine, start, does);
    host.replaceChildren(shown.element, slider.element, below.element, does.dialog);
    const update = () => {
        shown.update(engine);
        slider.show(engine.position);
        below.update();
    };
    engine.addEventListener("change", update);
    engine.addEventListener("gap", ({ detail }) => shown.say(t("player.gap", { length: length(detail * 1000) })));
    engine.addEventListener("failed", ({ detail }) => fail(engine, shown, detail));
    // A click on the picture puts the focus there.
    host.tabIndex = -1;
    keys.listen(host, does);
    hideWhenIdle(host);
    engine.set("volume", memory.setting("volume", 1));
    engine.set("playbackRate", memory.setting("speed", 1));
}

function actions(engine, host, shown, start) {
    const dialog = keys.help();
    const volume = (value) => {
        engine.set("muted", false);
        engine.set("volume", Math.min(Math.max(value, 0), 1));
        memory.rememberSetting("volume", engine.video.volume);
    };
    const speed = (value) => {
        engine.set("playbackRate", value);
        memory.rememberSetting("speed", value);
    };
    return {
        dialog,
        volume,
        speed,
        toggle: () => engine.toggle(),
        step: (seconds) => engine.seek(engine.position + seconds),
        tenth: (tenth) => engine.seek((engine.timeline.total * tenth) / 10),
        louder: (by) => volume(engine.video.volume + by),
        mute: () => engine.set("muted", !engine.video.muted),
        faster: (by) => speed(SPEEDS[SPEEDS.indexOf(engine.video.playbackRate) + by] ?? engine.video.playbackRate),
        help: () => dialog.showModal(),
        fullscreen: () => toggleFullscreen(host, engine.video),
        clock: (time) => {
            const at = untilClock(start, time);
            if (at > engine.timeline.total) shown.say(t("player.clock.outside"));
            else engine.seek(at);
        },
        link: async () => {
            const at = Math.floor(engine.position);
            const url = new URL(location.href);
            url.searchParams.set("t", at);
            await copy(url.href);
            shown.say(t("player.link.done", { position: position(at) }));
        },
    };
}

// An iPhone has no full screen but that of a video.
function toggleFullscreen(host, video) {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (host.requestFullscreen) host.requestFullscreen();
    else video.webkitEnterFullscreen?.();
}

// The controls leave the full screen while nobody touches anything.
function hideWhenIdle(host) {
    let timer;
    const touched = () => {
        host.classList.remove("idle");
        clearTimeout(timer);
        timer = setTimeout(() => host.classList.add("idle"), IDLE_MS);
    };
    for (const event of ["pointermove", "pointerdown", "keydown"]) host.addEventListener(event, touched);
}

function fail(engine, shown, error) {
    // A login ends while a long film plays. The player of a link has none.
    const isSignedOut = error?.status === 401 && !document.body.classList.contains("embed");
    const again = isSignedOut
        ? { text: t("login.title"), click: signIn }
        : { text: t("site.retry"), click: () => engine.play() };
    const skip = { text: t("player.skip"), click: () => engine.skip() };
    const reason = error?.status === 0 ? t("site.offline") : error?.message;
    shown.fail([t("player.failed"), reason].filter(Boolean).join(" "), engine.canSkip ? [again, skip] : [again]);
}

// Remembers where somebody is, now and then and when they leave.
function remember(engine, place) {
    let last = engine.position;
    const now = () => {
        last = engine.position;
        memory.rememberPosition(place, engine.ended ? 0 : last);
    };
    engine.addEventListener("change", () => {
        if (Math.abs(engine.position - last) >= REMEMBER_SECONDS || engine.ended) now();
    });
    addEventListener("pagehide", now);
}
