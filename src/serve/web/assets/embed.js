// The player alone, for a web-view. The link's expiry and signature let it ask for this room's playback.

import { nameOf } from "./card.js";
import { translate } from "./i18n.js";
import { explain } from "./page.js";
import { open } from "./player/player.js";
import { placeOf, timeAsked } from "./place.js";

const host = document.getElementById("player");
const asked = new URLSearchParams(location.search);

async function start() {
    try {
        const pass = { e: asked.get("e"), s: asked.get("s") };
        const { playback } = await open(host, placeOf(location), { at: timeAsked(location), pass });
        document.title = nameOf(playback);
    } catch (error) {
        explain(host, error, start);
    }
}

translate(document);
start();
