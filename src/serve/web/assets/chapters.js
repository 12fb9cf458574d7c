// The chapters of a broadcast: its clips and the gaps between them. The one that plays is marked.

import { el } from "./dom.js";
import { clock, length, position } from "./format.js";
import { t } from "./i18n.js";

// The rows of the chapters.
export function chapters(engine, { preferred, start_time: start, segments }) {
    const { clips } = engine.timeline;
    const whole = preferred === "whole";
    const rows = clips.map((clip, index) => {
        const name = whole ? t("room.whole") : t("room.segment", { index: segmentOf(segments, clip, index) });
        return { clip, row: chapter(name, clip, start, engine) };
    });
    const mark = () => {
        for (const { clip, row } of rows) {
            const current = engine.position >= clip.start && engine.position < clip.end;
            if (current) row.firstChild.setAttribute("aria-current", "true");
            else row.firstChild.removeAttribute("aria-current");
        }
    };
    engine.addEventListener("change", mark);
    mark();
    return rows.flatMap(({ clip, row }) => (clip.gap > 0 ? [gap(clip), row] : [row]));
}

// A segment keeps its number where others before it are missing.
function segmentOf(segments, clip, index) {
    return clip.segment ?? segments?.[index]?.index ?? index + 1;
}

function chapter(name, clip, start, engine) {
    const at = clock(start, clip.start);
    const begin = () => {
        engine.seek(clip.start);
        engine.play();
    };
    return el(
        "li",
        {},
        el(
            "button",
            { type: "button", on: { click: begin } },
            el("span", { class: "at" }, position(clip.start)),
            el("span", {}, name),
            el("span", { class: "muted" }, [at, length((clip.end - clip.start) * 1000)].filter(Boolean).join(" · ")),
        ),
    );
}

function gap(clip) {
    return el(
        "li",
        { class: "gap" },
        el("span", { class: "at" }, position(clip.start - clip.gap)),
        el("span", {}, t("room.gap", { length: length(clip.gap * 1000) })),
    );
}
