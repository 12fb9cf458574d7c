// A room: its player with chapters, what was on sale, and what shows that the archive is what was broadcast.

import * as api from "./api.js";
import { badge, nameOf } from "./card.js";
import { chapters } from "./chapters.js";
import { foreign } from "./dom.js";
import { evidence } from "./evidence.js";
import { beijingDay, clock, length, visible } from "./format.js";
import { shelf } from "./goods.js";
import { t } from "./i18n.js";
import * as page from "./page.js";
import { placeOf, timeAsked } from "./place.js";
import { open } from "./player/player.js";

const find = (id) => document.getElementById(id);
const place = placeOf(location);

// The room's own facts, beside the film. One may be there without the other.
async function describe() {
    let room;
    try {
        room = await api.room(place);
    } catch (error) {
        if (error.status === 404) return admitNothing();
        return page.fail(find("facts"), error, describe);
    }
    const name = nameOf(room);
    document.title = `${name} · ${t("site.title")}`;
    find("name").textContent = name;
    find("badge").replaceChildren(badge(room));
    find("facts").replaceChildren(...facts(room).flatMap((fact, index) => (index === 0 ? [fact] : [" · ", fact])));
    fill("goods", shelf(room.goods ?? []));
    fill("evidence", evidence(room, place));
}

// A room that is announced or live, or was never there.
function admitNothing() {
    find("name").textContent = nameOf({ room_id: place.room });
    find("facts").textContent = t("room.missing");
    find("player").hidden = true;
}

function facts(room) {
    const [anchor, duration] = [visible(room.anchor_name), room.totals?.duration_ms];
    return [
        anchor ? foreign("bdi", t("room.anchor", { name: anchor })) : null,
        beijingDay(room.start_time),
        clock(room.start_time, 0)?.slice(0, 5),
        duration ? length(duration) : null,
        t("room.number", { id: room.room_id }),
    ].filter(Boolean);
}

function fill(id, rows) {
    find(id)
        .querySelector("ul, ol, .panel")
        .replaceChildren(...rows);
    find(id).hidden = rows.length === 0;
}

async function play() {
    let opened;
    try {
        opened = await open(find("player"), place, { at: timeAsked(location) });
    } catch (error) {
        // The room's facts say that it is not there.
        if (error.status !== 404) page.fail(find("player"), error, play);
        return;
    }
    if (opened.engine) fill("chapters", chapters(opened.engine, opened.playback));
}

async function start() {
    describe();
    play();
    const { signed_in: signedIn } = await api.accounts().catch(() => ({}));
    page.offerLogout(signedIn);
}

page.open();
find("back").href = `/?account=${encodeURIComponent(place.appid)}`;
start();
