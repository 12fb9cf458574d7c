// One room among others.

import { isSoon } from "./banner.js";
import { el, foreign, icon } from "./dom.js";
import { beijingDay, fromNow, isPast, length, visible } from "./format.js";
import { t } from "./i18n.js";

const LIVE = { 101: "live", 102: "upcoming", 105: "live", 106: "live" };

// What a room is called; one without a name by its number.
export function nameOf(room) {
    return visible(room.name) || t("room.unnamed", { id: room.room_id });
}

// How complete the archive of a room is, or that there is nothing to archive yet.
export function badge(room) {
    const status = room.status ?? LIVE[room.live_status] ?? "none";
    return el("span", { class: `badge ${status}` }, t(`status.${status}`));
}

// A picture that was archived, or nothing where it cannot be had.
export function picture(url) {
    if (!url) return null;
    return el("img", { src: url, alt: "", loading: "lazy", on: { error: (event) => event.target.remove() } });
}

// The card of a room, which leads to its page.
export function card(room) {
    const path = `/rooms/${encodeURIComponent(room.appid)}/${encodeURIComponent(room.room_id)}`;
    return el(
        "li",
        { class: "card" },
        el(
            "div",
            { class: "cover" },
            icon("play"),
            picture(room.cover_url),
            badge(room),
            room.duration_ms > 0 ? el("span", { class: "length" }, length(room.duration_ms)) : null,
        ),
        el(
            "div",
            { class: "about" },
            el("h2", {}, foreign("a", nameOf(room), { href: path })),
            visible(room.anchor_name) ? foreign("p", visible(room.anchor_name), { class: "anchor" }) : null,
            el("p", { class: "muted" }, beijingDay(room.start_time)),
            room.next_deadline
                ? el(
                      "p",
                      { class: isSoon(room.next_deadline) ? "soon" : "muted" },
                      t(isPast(room.next_deadline) ? "room.deadline.past" : "room.deadline", {
                          when: fromNow(room.next_deadline),
                      }),
                  )
                : null,
        ),
    );
}
