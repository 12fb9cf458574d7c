// The controls below the picture. They show what the engine does, and call the player's actions.

import { el, icon } from "../dom.js";
import { clock, position } from "../format.js";
import { t } from "../i18n.js";

export const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3];

// The controls of an engine whose broadcast began at `start`. Returns their element and what brings them up to date.
export function controls(engine, start, does) {
    const play = button("play", "player.play", does.toggle);
    const mute = button("loud", "player.mute", does.mute);
    const volume = el("input", {
        class: "volume",
        type: "range",
        min: 0,
        max: 1,
        step: 0.05,
        "aria-label": t("player.volume"),
    });
    const speed = el(
        "select",
        { class: "speed", "aria-label": t("player.speed") },
        ...SPEEDS.map((value) => el("option", { value }, `${value}×`)),
    );
    const time = el("span", { class: "time" });
    const now = el("span", { class: "clock muted" });
    volume.addEventListener("input", () => does.volume(Number(volume.value)));
    speed.addEventListener("change", () => does.speed(Number(speed.value)));

    const element = el(
        "div",
        { class: "controls" },
        play,
        button("back", "player.back", () => does.step(-10)),
        button("forward", "player.forward", () => does.step(10)),
        mute,
        volume,
        time,
        now,
        el("span", { class: "push" }),
        start ? clockForm(does.clock) : null,
        speed,
        button("link", "player.link", does.link),
        el(
            "button",
            {
                type: "button",
                class: "icon",
                "aria-label": t("player.help"),
                title: t("player.help"),
                on: { click: does.help },
            },
            "?",
        ),
        button("fullscreen", "player.fullscreen", does.fullscreen, "fullscreen"),
    );

    function update() {
        const { video, playing } = engine;
        name(play, playing ? "pause" : "play", playing ? "player.pause" : "player.play");
        const silent = video.muted || video.volume === 0;
        name(mute, silent ? "muted" : "loud", silent ? "player.unmute" : "player.mute");
        volume.value = video.muted ? 0 : video.volume;
        speed.value = video.playbackRate;
        time.textContent = `${position(engine.position)} / ${position(engine.timeline.total)}`;
        const at = clock(start, engine.position);
        now.textContent = at ? t("player.clock", { clock: at }) : "";
    }
    return { element, update };
}

function button(picture, text, click, more = "") {
    const made = el("button", { type: "button", class: `icon ${more}`, on: { click: () => click() } });
    name(made, picture, text);
    return made;
}

// Only what has changed is touched: a button that somebody presses stays as it is.
function name(button, picture, text) {
    if (button.dataset.shows === picture) return;
    button.dataset.shows = picture;
    button.setAttribute("aria-label", t(text));
    button.title = t(text);
    button.replaceChildren(icon(picture));
}

// Where somebody types a time of day in Beijing.
function clockForm(go) {
    const input = el("input", {
        type: "time",
        step: 1,
        required: true,
        "aria-label": t("player.clock.label"),
        title: t("player.clock.label"),
    });
    const form = el("form", { class: "to-clock" }, input, el("button", { class: "quiet" }, t("player.clock.go")));
    form.addEventListener("submit", (event) => {
        event.preventDefault();
        go(input.value);
    });
    return form;
}
