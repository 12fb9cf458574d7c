// The bar: a slider over the broadcast, as the W3C describes one, with its gaps and the joints of its segments.

import { el } from "../dom.js";
import { clock, position, spoken } from "../format.js";
import { t } from "../i18n.js";

const KEYS = {
    ArrowLeft: (time) => time - 5,
    ArrowDown: (time) => time - 5,
    ArrowRight: (time) => time + 5,
    ArrowUp: (time) => time + 5,
    PageDown: (time) => time - 60,
    PageUp: (time) => time + 60,
    Home: () => 0,
    End: (_, total) => total,
};

// The bar of a timeline whose broadcast began at `start`. `seek` is called with where somebody wants to be. Returns its
// element and what shows a position on it.
export function bar(timeline, start, seek) {
    const { total } = timeline;
    const percent = (time) => `${total > 0 ? (100 * time) / total : 0}%`;
    const done = el("div", { class: "done" });
    const thumb = el("div", { class: "thumb" });
    const hint = el("output", { class: "hint", "aria-hidden": "true" });
    const slider = el(
        "div",
        {
            class: "bar",
            role: "slider",
            tabindex: 0,
            "aria-label": t("player.position"),
            "aria-valuemin": 0,
            "aria-valuemax": Math.floor(total),
        },
        el("div", { class: "track" }, done, ...marks(timeline, percent)),
        thumb,
        hint,
    );
    let shown = 0;

    function show(time) {
        shown = time;
        done.style.width = percent(time);
        thumb.style.left = percent(time);
        slider.setAttribute("aria-valuenow", Math.floor(time));
        slider.setAttribute("aria-valuetext", valueText(time, total, start));
    }

    function timeAt(event) {
        const { left, width } = slider.getBoundingClientRect();
        return (Math.min(Math.max((event.clientX - left) / width, 0), 1) || 0) * total;
    }

    function point(event) {
        const time = timeAt(event);
        const at = clock(start, time);
        hint.textContent = at ? `${position(time)} · ${at}` : position(time);
        hint.style.left = `clamp(4.5rem, ${percent(time)}, calc(100% - 4.5rem))`;
    }

    slider.addEventListener("pointermove", point);
    drag(slider, (event) => {
        point(event);
        seek(timeAt(event));
    });
    slider.addEventListener("keydown", (event) => {
        const step = KEYS[event.key];
        if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
        event.preventDefault();
        event.stopPropagation();
        seek(Math.min(Math.max(step(shown, total), 0), total));
    });
    show(0);
    return { element: slider, show };
}

// Calls `to` where a pointer presses an element, and wherever it is drawn to from there.
function drag(element, to) {
    element.addEventListener("pointerdown", (event) => {
        if (event.button !== 0) return;
        element.setPointerCapture(event.pointerId);
        to(event);
    });
    element.addEventListener("pointermove", (event) => {
        if (element.hasPointerCapture(event.pointerId)) to(event);
    });
}

// The gaps, and where a segment ends and another begins.
function marks({ clips, gaps }, percent) {
    const hatched = gaps.map(({ start, end }) => {
        const mark = el("div", { class: "gap" });
        mark.style.left = percent(start);
        mark.style.width = percent(end - start);
        return mark;
    });
    const joints = clips.slice(1).map((clip) => {
        const mark = el("div", { class: "joint" });
        mark.style.left = percent(clip.start);
        return mark;
    });
    return [...hatched, ...joints];
}

function valueText(time, total, start) {
    const at = clock(start, time);
    const words = t("player.position.of", { position: spoken(time), total: spoken(total) });
    return at ? words + t("player.position.clock", { clock: at }) : words;
}
