// What the address of a page says: which room, and from when on.

// The account and the number of the room in `/rooms/ACCOUNT/ROOM` or `/embed/ACCOUNT/ROOM`.
export function placeOf({ pathname }) {
    const [appid, room] = pathname.split("/").slice(2).map(decodeURIComponent);
    return { appid, room };
}

// The seconds of `?t=`; null where there are none.
export function timeAsked({ search }) {
    const asked = new URLSearchParams(search).get("t");
    const seconds = Number(asked);
    return asked && Number.isFinite(seconds) && seconds >= 0 ? seconds : null;
}
