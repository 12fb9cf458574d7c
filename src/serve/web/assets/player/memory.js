// What a browser remembers: where somebody stopped in each room, how loud and how fast. Where it may not, nothing is.

const POSITIONS = "positions";
const KEPT = 200;

function read(key, otherwise) {
    try {
        return JSON.parse(localStorage.getItem(key)) ?? otherwise;
    } catch {
        return otherwise;
    }
}

function write(key, value) {
    try {
        localStorage.setItem(key, JSON.stringify(value));
    } catch {
        // Storage is full or forbidden.
    }
}

// Newest first. Another version, or a person, may have left anything there.
function positions() {
    const found = read(POSITIONS, []);
    return Array.isArray(found) ? found.filter((entry) => Array.isArray(entry)) : [];
}

const nameOf = ({ appid, room }) => `${appid}/${room}`;

// Where somebody stopped in a room, in seconds; 0 where they have not begun or have seen the end.
export function position(place) {
    const found = positions().find(([name]) => name === nameOf(place));
    return Number.isFinite(found?.[1]) ? found[1] : 0;
}

// Remembers where somebody stopped. Only the rooms that were last watched are kept.
export function rememberPosition(place, seconds) {
    const others = positions().filter(([name]) => name !== nameOf(place));
    write(POSITIONS, [[nameOf(place), Math.floor(seconds)], ...others].slice(0, KEPT));
}

// A setting of the player: a number, or `otherwise`.
export function setting(name, otherwise) {
    const value = read(name, otherwise);
    return Number.isFinite(value) ? value : otherwise;
}

// Remembers a setting.
export function rememberSetting(name, value) {
    write(name, value);
}
