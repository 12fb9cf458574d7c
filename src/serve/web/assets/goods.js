// What was on sale in a room.

import { picture } from "./card.js";
import { copyButton, el, foreign } from "./dom.js";
import { price, visible } from "./format.js";
import { t } from "./i18n.js";

// The items of the shelf.
export function shelf(goods) {
    return goods.map((item) =>
        el(
            "li",
            { class: "item" },
            picture(item.cover_url),
            foreign("p", visible(item.name) || t("site.unknown"), { class: "name" }),
            Number.isFinite(item.price_fen)
                ? el("p", { class: "price" }, price(item.price_fen))
                : el("p", { class: "muted" }, t("room.goods.unpriced")),
            item.url ? path(item.url) : null,
        ),
    );
}

// A page of a mini program is no link of the web: it is only shown and copied.
function path(url) {
    return el(
        "div",
        { class: "path" },
        el("code", {}, url),
        copyButton(t("site.copy"), t("site.copied"), () => url, t("room.goods.page")),
    );
}
