// Where an item of the shelf leads.

const format = require("./format");
const query = require("./query");

// A page of this mini program, perhaps with `.html` behind it as the live console writes it, and with a query.
const PAGE = /^\/?([\w-]+(?:\/[\w-]+)+)(?:\.html)?(?:\?(.*))?$/;

// The page of the sample that shows any item.
function ownPage(item, roomId) {
    return `/pages/goods/goods${query.encoded({ goods_id: item.goods_id, room_id: roomId })}`;
}

// The page of the item with the room's number, as the live plugin adds it too; the sample's own for an item without
// one.
function pageOf(item, roomId) {
    const [, page, own = ""] = PAGE.exec(item.url || "") || [];
    if (!page) return ownPage(item, roomId);
    const others = own.split("&").filter((pair) => pair && !pair.startsWith("room_id="));
    return `/${page}?${[...others, `room_id=${encodeURIComponent(roomId)}`].join("&")}`;
}

// An item as the shelf shows it.
function shown(item) {
    return { name: (item.name || "").trim() || "商品", price: format.price(item.price_fen) };
}

module.exports = { ownPage, pageOf, shown };
