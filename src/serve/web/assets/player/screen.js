// The picture: two videos, one of which is behind the other, and what is said over them.

import { el, icon } from "../dom.js";
import { t } from "../i18n.js";

const NOTICE_MS = 6000;

// Attributes that keep a film in the page: on iOS, and in WeChat's browser on Android, which wants its own before
// anything plays.
const IN_PAGE = {
    playsinline: true,
    "webkit-playsinline": true,
    "x5-playsinline": true,
    "x5-video-player-type": "h5-page",
    preload: "metadata",
    disableremoteplayback: true,
};

// The screen of a player. `poster` is shown until something plays.
export function screen(poster, does) {
    const videos = [0, 1].map((index) => el("video", { ...IN_PAGE, class: index === 0 ? "" : "behind", tabindex: -1 }));
    const cover = poster
        ? el("img", { class: "poster", src: poster, alt: "", on: { error: () => cover.remove() } })
        : null;
    const start = el(
        "button",
        { type: "button", class: "start", "aria-label": t("player.play"), on: { click: () => does.toggle() } },
        icon("play"),
    );
    const spinner = el("div", { class: "spinner", role: "img", "aria-label": t("player.loading"), hidden: true });
    const notice = el("div", { class: "notice", role: "status" });
    const failure = el("div", { class: "failure", role: "alert", hidden: true });
    const element = el("div", { class: "screen" }, ...videos, cover, spinner, start, failure, notice);
    for (const video of videos) video.addEventListener("click", () => does.toggle());
    let timer;

    function update(engine) {
        const { videoWidth: width, videoHeight: height } = engine.video;
        if (width > 0 && height > 0) element.style.setProperty("--ratio", width / height);
        if (cover && (engine.playing || engine.video.currentTime > 0)) cover.hidden = true;
        start.hidden = engine.playing || engine.failed;
        spinner.hidden = !engine.waiting;
        failure.hidden = !engine.failed;
    }

    // Says something for some seconds, with a button where something can be done about it.
    function say(text, action = null) {
        clearTimeout(timer);
        notice.replaceChildren(
            text,
            ...(action ? [el("button", { type: "button", on: { click: action.click } }, action.text)] : []),
        );
        timer = setTimeout(hush, NOTICE_MS);
    }

    function hush() {
        notice.replaceChildren();
    }

    // Says why nothing plays, and what can be done.
    function fail(reason, actions) {
        failure.replaceChildren(
            el("p", {}, reason),
            ...actions.map(({ text, click }) => el("button", { type: "button", on: { click } }, text)),
        );
    }

    return { element, videos, update, say, hush, fail };
}
