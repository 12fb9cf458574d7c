// The server's API. Every answer is JSON; an error is a problem that says what is wrong.

// An answer that is not a success. `status` 0: there was no answer at all.
export class Problem extends Error {
    constructor(status, message) {
        super(message);
        this.status = status;
    }
}

async function get(path, query, signal) {
    const sent = new URLSearchParams(Object.entries(query).filter(([, value]) => value)).toString();
    const response = await fetch(sent ? `${path}?${sent}` : path, { signal }).catch((error) => {
        throw error.name === "AbortError" ? error : new Problem(0, error.message);
    });
    if (!response.ok) throw await problem(response);
    return { body: parsed(await response.text()), date: Date.parse(response.headers.get("date")) };
}

// An answer, with the numbers of rooms as texts: some are too large for a number of JavaScript. No text of the
// archive looks like one, because a quote in it is escaped.
export function parsed(text) {
    return JSON.parse(text.replace(/"room_id":\s*(\d+)/g, '"room_id":"$1"'));
}

async function problem(response) {
    const body = await response.json().catch(() => ({}));
    return new Problem(response.status, body.detail ?? body.title ?? `${response.status}`);
}

function accountPath(appid) {
    return `/api/v1/accounts/${encodeURIComponent(appid)}`;
}

function roomPath({ appid, room }) {
    return `${accountPath(appid)}/rooms/${encodeURIComponent(room)}`;
}

// The accounts that this browser may see.
export async function accounts() {
    return (await get("/api/v1/accounts", {})).body;
}

// A page of an account's rooms. `signal` gives the request up.
export async function rooms(appid, query, signal) {
    return (await get(`${accountPath(appid)}/rooms`, query, signal)).body;
}

// The status that the last run published; null where there is none.
export async function status(appid) {
    try {
        return (await get(`${accountPath(appid)}/status`, {})).body;
    } catch (error) {
        if (error.status === 404) return null;
        throw error;
    }
}

// Everything about a room but its media.
export async function room(place) {
    return (await get(roomPath(place), {})).body;
}

// What plays a room. `lifetime_ms` says how long its URLs are good for from now, by the server's own clock;
// null where they do not expire. `pass` is the signature of an embed link.
export async function playback(place, pass = {}) {
    const { body, date } = await get(`${roomPath(place)}/playback`, pass);
    const expires = Date.parse(body.urls_expire_at);
    const now = Number.isNaN(date) ? Date.now() : date;
    return { ...body, lifetime_ms: Number.isNaN(expires) ? null : expires - now };
}

// Where the manifest of a room is.
export function manifestUrl(place) {
    return `${roomPath(place)}/manifest`;
}
