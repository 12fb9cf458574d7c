// Where somebody stopped in each room, as a time of the broadcast in milliseconds. Where storage is full or
// forbidden, nothing is remembered.

const config = require("../config");

const POSITIONS = "positions";
const KEPT = 200;

const nameOf = (roomId) => `${config.appid}/${roomId}`;

// Newest first. Another version may have left anything there.
function positions() {
    try {
        const found = wx.getStorageSync(POSITIONS);
        return Array.isArray(found) ? found.filter((entry) => Array.isArray(entry)) : [];
    } catch (error) {
        return [];
    }
}

function write(entries) {
    try {
        wx.setStorageSync(POSITIONS, entries.slice(0, KEPT));
    } catch (error) {
        // Nothing is remembered.
    }
}

const others = (roomId) => positions().filter(([name]) => name !== nameOf(roomId));

// Where somebody stopped in a room; 0 where they have not begun or have seen the end.
function position(roomId) {
    const found = positions().find(([name]) => name === nameOf(roomId));
    return found && Number.isFinite(found[1]) ? found[1] : 0;
}

function remember(roomId, broadcast_ms) {
    write([[nameOf(roomId), broadcast_ms], ...others(roomId)]);
}

function forget(roomId) {
    write(others(roomId));
}

module.exports = { forget, position, remember };
