// The player's keys, wherever on the page somebody presses them, and the list of them.

import { el } from "../dom.js";
import { t } from "../i18n.js";

const SHOWN = [
    [["K", "␣"], "keys.play"],
    [["←", "→"], "keys.five"],
    [["J", "L"], "keys.ten"],
    [["↑", "↓"], "keys.volume"],
    [["<", ">"], "keys.speed"],
    [["M"], "keys.mute"],
    [["F"], "keys.fullscreen"],
    [["0", "…", "9"], "keys.tenth"],
    [["?"], "keys.help"],
];

// Where a key means something else.
const OWN_KEYS = "input, select, textarea, [contenteditable], dialog";
const OWN_SPACE = `${OWN_KEYS}, button, a, summary`;

// What scrolls the page for people who use keys: the player's only where the focus is in it, or it fills the screen.
const SCROLLING = ["ArrowUp", "ArrowDown"];

// Listens on the page. `does` are the actions of the player in `host`.
export function listen(host, does) {
    const actions = {
        " ": () => does.toggle(),
        k: () => does.toggle(),
        ArrowLeft: () => does.step(-5),
        ArrowRight: () => does.step(5),
        j: () => does.step(-10),
        l: () => does.step(10),
        ArrowUp: () => does.louder(0.05),
        ArrowDown: () => does.louder(-0.05),
        "<": () => does.faster(-1),
        ">": () => does.faster(1),
        m: () => does.mute(),
        f: () => does.fullscreen(),
        "?": () => does.help(),
    };
    document.addEventListener("keydown", (event) => {
        if (event.altKey || event.ctrlKey || event.metaKey || event.isComposing) return;
        if (event.target.closest?.(event.key === " " ? OWN_SPACE : OWN_KEYS)) return;
        const isInside = host.contains(event.target) || document.fullscreenElement === host;
        if (SCROLLING.includes(event.key) && !isInside) return;
        const action = /^[0-9]$/.test(event.key)
            ? () => does.tenth(Number(event.key))
            : (actions[event.key] ?? actions[event.key.toLowerCase()]);
        if (!action) return;
        event.preventDefault();
        action();
    });
}

// The list of keys, as a dialog that is opened by `showModal`.
export function help() {
    const rows = SHOWN.map(([keys, text]) => [
        el("dt", {}, ...keys.map((key) => (key === "…" ? key : el("kbd", {}, key)))),
        el("dd", {}, t(text)),
    ]);
    const dialog = el(
        "dialog",
        { class: "keys", "aria-label": t("player.help") },
        el("h2", {}, t("player.help")),
        el("dl", {}, ...rows.flat()),
        el("button", { type: "button", on: { click: () => dialog.close() } }, t("player.help.close")),
    );
    return dialog;
}
