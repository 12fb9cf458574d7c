// Times, lengths, sizes and prices as people read them. Days and clocks are Beijing's.

import { locale, t } from "./i18n.js";

const BEIJING = "Asia/Shanghai";
const BEIJING_OFFSET = 8 * 3600;
const DAY = 86400;

const day = new Intl.DateTimeFormat(locale, { timeZone: BEIJING, dateStyle: "medium" });
const minute = new Intl.DateTimeFormat(locale, { timeZone: BEIJING, dateStyle: "medium", timeStyle: "short" });
const money = new Intl.NumberFormat(locale, { style: "currency", currency: "CNY" });
const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });

function unit(value, name, display) {
    return new Intl.NumberFormat(locale, { style: "unit", unit: name, unitDisplay: display }).format(value);
}

function parts(seconds) {
    const whole = Math.max(0, Math.floor(seconds) || 0);
    return [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
}

const two = (number) => String(number).padStart(2, "0");

// `1:02:05`, or `2:05` below an hour.
export function position(seconds) {
    const [hours, minutes, rest] = parts(seconds);
    return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

// "1 hour 2 minutes 5 seconds", for a screen reader.
export function spoken(seconds) {
    const [hours, minutes, rest] = parts(seconds);
    const said = [];
    if (hours > 0) said.push(unit(hours, "hour", "long"));
    if (hours > 0 || minutes > 0) said.push(unit(minutes, "minute", "long"));
    said.push(unit(rest, "second", "long"));
    return said.join(" ");
}

// "1 hr 32 min", "45 sec": how long something is.
export function length(milliseconds) {
    const [hours, minutes, rest] = parts(Math.round(milliseconds / 1000));
    if (hours > 0) return `${unit(hours, "hour", "short")} ${unit(minutes, "minute", "short")}`;
    if (minutes >= 10 || (minutes > 0 && rest === 0)) return unit(minutes, "minute", "short");
    if (minutes > 0) return `${unit(minutes, "minute", "short")} ${unit(rest, "second", "short")}`;
    return unit(rest, "second", "short");
}

// `1.2 GiB`.
export function size(bytes) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    const step = bytes > 0 ? Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1) : 0;
    const value = bytes / 1024 ** step;
    return `${value.toFixed(step === 0 || value >= 100 ? 0 : 1)} ${units[step]}`;
}

// A price in fen.
export function price(fen) {
    return money.format(fen / 100);
}

function valid(time) {
    const date = new Date(time ?? NaN);
    return Number.isNaN(date.getTime()) ? null : date;
}

// The day of a time, or null where there is none.
export function beijingDay(time) {
    const date = valid(time);
    return date && day.format(date);
}

// Day, hour and minute of a time.
export function moment(time) {
    const date = valid(time);
    return date ? minute.format(date) : t("site.unknown");
}

// "in 3 hours", "2 days ago".
export function fromNow(time, now = Date.now()) {
    const date = valid(time);
    if (!date) return t("site.unknown");
    const seconds = (date - now) / 1000;
    const size = Math.abs(seconds);
    if (size < 90 * 60) return relative.format(Math.round(seconds / 60), "minute");
    if (size < 2 * DAY) return relative.format(Math.round(seconds / 3600), "hour");
    return relative.format(Math.round(seconds / DAY), "day");
}

// Whether a time has passed.
export function isPast(time, now = Date.now()) {
    return Date.parse(time) < now;
}

// A text without the space around it; empty where there is nothing to see of it, as of zero-width characters.
export function visible(text) {
    const trimmed = text?.trim() ?? "";
    return /[^\p{C}\p{Z}\p{M}\u115f\u1160\u2800\u3164\uffa0]/u.test(trimmed) ? trimmed : "";
}

// The clock in Beijing so many seconds after a time, as `20:13:05`; null where the time is not known.
export function clock(start, seconds) {
    const date = valid(start);
    if (!date) return null;
    const [hours, minutes, rest] = parts((date / 1000 + BEIJING_OFFSET + seconds) % DAY);
    return `${two(hours)}:${two(minutes)}:${two(rest)}`;
}

// The seconds from a time until Beijing's clock first shows `20:13` or `20:13:05`.
export function untilClock(start, shown) {
    const [hours, minutes, rest = 0] = shown.split(":").map(Number);
    const begin = (valid(start) / 1000 + BEIJING_OFFSET) % DAY;
    return (hours * 3600 + minutes * 60 + rest - Math.floor(begin) + DAY) % DAY;
}
