// What the address of a page says: which room, and from when on.

// The account and the number of the room in `/rooms/ACCOUNT/ROOM` or `/embed/ACCOUNT/ROOM`.
export function placeOf({ pathname }) {
    const [appid, room] = pathname.split("/").slice(2).map(decoded);
    return { appid, room };
}

// A part of a path; as it is where it cannot be decoded, since it then names nothing that exists.
function decoded(part) {
    try {
        return decodeURIComponent(part);
    } catch {
        return part;
    }
}

// The seconds of `?t=`; null where there are none.
export function timeAsked({ search }) {
    const asked = new URLSearchParams(search).get("t");
    const seconds = Number(asked);
    return asked && Number.isFinite(seconds) && seconds >= 0 ? seconds : null;
}
