// What WeChat deletes soonest, by the status that the last run published.

import { el } from "./dom.js";
import { fromNow, isPast, moment } from "./format.js";
import { t } from "./i18n.js";

const DAYS = 24 * 3600 * 1000;
const SOON_MS = 14 * DAYS;

// Whether a deadline is near enough to catch the eye.
export function isSoon(deadline) {
    return Date.parse(deadline) - Date.now() < SOON_MS;
}

// The banner: what will not be archived in time first, then what comes next, then what is lost; null for none of it.
export function banner(status) {
    const lines = [atRisk(status), next(status), lost(status)].filter(Boolean);
    if (lines.length === 0) return null;
    const isUrgent = status.at_risk?.length > 0 || status.lost?.length > 0 || isSoon(status.next_deadline);
    const run = el("p", { class: "muted" }, t("banner.run", { when: moment(status.last_run?.ended_at) }));
    return el("div", { class: isUrgent ? "banner urgent" : "banner" }, ...lines, run);
}

const when = (time) => `${fromNow(time)} (${moment(time)})`;

function atRisk({ appid, at_risk: risks = [], rooms_at_risk: rooms = 0 }) {
    const [first, ...others] = risks;
    if (!first) return null;
    const text = isPast(first.deadline) ? "banner.risk.past" : "banner.risk";
    const [before, after] = t(text, { room: "\n", when: when(first.deadline) }).split("\n");
    const path = `/rooms/${encodeURIComponent(appid)}/${encodeURIComponent(first.room_id)}`;
    // The list has the first thousand.
    const count = Math.max(others.length, rooms - 1);
    const more = count > 0 ? ` ${t("banner.risk.more", { count })}` : "";
    const room = el("a", { href: path }, t("room.unnamed", { id: first.room_id }));
    return el("p", { class: "danger" }, before, room, after, more);
}

function next({ at_risk: risks = [], next_deadline: deadline, rooms_left: rooms }) {
    if (risks.length > 0 || !deadline) return null;
    const left = rooms > 0 ? ` ${t("banner.next.rooms", { rooms })}` : "";
    const text = isPast(deadline) ? "banner.next.past" : "banner.next";
    return el("p", {}, t(text, { when: when(deadline) }), left);
}

function lost({ lost: recordings = [] }) {
    return recordings.length > 0 ? el("p", { class: "danger" }, t("banner.lost", { count: recordings.length })) : null;
}
