// Times, lengths and prices as people read them. Days and clocks are Beijing's; Intl is not there on iOS.

const BEIJING_OFFSET_MS = 8 * 3600 * 1000;

const two = (value) => String(value).padStart(2, "0");

// `2026-11-20 20:05`; empty where the time is not known.
function moment(time) {
    const at = time ? Date.parse(time) : NaN;
    if (Number.isNaN(at)) return "";
    const date = new Date(at + BEIJING_OFFSET_MS);
    const day = `${date.getUTCFullYear()}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`;
    return `${day} ${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`;
}

// `1:02:05`, or `2:05` below an hour; empty where there is none.
function length(milliseconds) {
    if (!(milliseconds > 0)) return "";
    const seconds = Math.round(milliseconds / 1000);
    const hours = Math.floor(seconds / 3600);
    const minutes = Math.floor(seconds / 60) % 60;
    const rest = two(seconds % 60);
    return hours > 0 ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

// `¥2112.00` for 211200 fen; empty where there is no price.
function price(fen) {
    return Number.isFinite(fen) ? `¥${(fen / 100).toFixed(2)}` : "";
}

// What a room is called; one without a name by its number.
function nameOf(room) {
    return (room.name || "").trim() || `直播间 ${room.room_id}`;
}

module.exports = { length, moment, nameOf, price };
