// The API of `serve`, as far as somebody who watches needs it. docs/openapi.json describes the answers.

const config = require("../config");
const query = require("./query");

const TIMEOUT_MS = 15000;

// Why there is no answer. `kind` says which sentence of faults.js tells it.
class Fault extends Error {
    constructor(kind, message) {
        super(message);
        this.kind = kind;
    }
}

function kindOfStatus(status) {
    if (status === 401 || status === 403) return "denied";
    if (status === 404) return "missing";
    if (status === 429 || status === 503) return "busy";
    return "broken";
}

function kindOfFailure(errMsg) {
    if (/timeout/i.test(errMsg)) return "timeout";
    if (/domain list|合法域名/i.test(errMsg)) return "domain";
    return "offline";
}

function get(path, asked = {}) {
    return new Promise((resolve, reject) => {
        wx.request({
            url: `${config.baseUrl}/api/v1/accounts/${encodeURIComponent(config.appid)}${path}${query.encoded(asked)}`,
            timeout: TIMEOUT_MS,
            success({ statusCode, data }) {
                if (statusCode !== 200) reject(new Fault(kindOfStatus(statusCode), `HTTP ${statusCode}: ${path}`));
                // What is not JSON arrives as text.
                else if (data === null || typeof data !== "object") reject(new Fault("broken", `not JSON: ${path}`));
                else resolve(data);
            },
            fail: ({ errMsg }) => reject(new Fault(kindOfFailure(errMsg), errMsg)),
        });
    });
}

// A room's number as it came with the address of a page.
function roomPath(roomId) {
    return `/rooms/${encodeURIComponent(roomId)}`;
}

// A URL as a player or a picture needs it: links of a server without `public_url` begin with a slash. Null for
// anything that is not https or http.
function absolute(url) {
    if (typeof url !== "string") return null;
    if (/^https?:\/\//i.test(url)) return url;
    return /^\/[^/]/.test(url) ? config.baseUrl + url : null;
}

// A page of the rooms: `q` are words, `cursor` is the `next_cursor` of the page before.
function rooms({ q, cursor, limit = 20 } = {}) {
    return get("/rooms", { q, cursor, limit });
}

// What is known of an archived room: its name, its goods.
function room(roomId) {
    return get(roomPath(roomId));
}

// What plays a room.
function playback(roomId) {
    return get(`${roomPath(roomId)}/playback`);
}

module.exports = { Fault, absolute, playback, room, rooms };
