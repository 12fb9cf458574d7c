// The rooms: found by words, page by page. They come from the archive's catalog, so that no quota of the live API is
// spent. A room that is still to come or live leads to the live plugin, an archived one to its replay.

const api = require("../../lib/api");
const faults = require("../../lib/faults");
const format = require("../../lib/format");
const query = require("../../lib/query");

const TYPING_PAUSE_MS = 300;

const LIVE = { 101: "直播中", 102: "预告", 105: "暂停中", 106: "直播中断" };
const ARCHIVED = { complete: "回放", partial: "部分回放", lost: "回放已失效", empty: "无回放" };

// A room as its card shows it.
function card(room) {
    const isLive = room.live_status in LIVE && room.status !== "complete";
    return {
        room_id: room.room_id,
        name: format.nameOf(room),
        anchor: room.anchor_name || "",
        cover: api.absolute(room.cover_url) || "",
        began: format.moment(room.start_time),
        length: format.length(room.duration_ms),
        isLive,
        badge: isLive ? LIVE[room.live_status] : ARCHIVED[room.status] || "尚未归档",
    };
}

Component({
    data: { rooms: [], total: 0, isLoading: false, fault: "" },

    lifetimes: {
        created() {
            this.words = "";
            this.cursor = null;
            // Counts requests: only the answer to the last one is shown.
            this.turn = 0;
        },
        detached() {
            clearTimeout(this.typing);
        },
    },

    methods: {
        onLoad() {
            return this.load(null);
        },

        async onPullDownRefresh() {
            await this.load(null);
            wx.stopPullDownRefresh();
        },

        onReachBottom() {
            if (this.cursor && !this.data.isLoading) return this.load(this.cursor);
        },

        type(event) {
            this.words = event.detail.value.trim();
            clearTimeout(this.typing);
            this.typing = setTimeout(() => this.load(null), TYPING_PAUSE_MS);
        },

        retry() {
            return this.load(this.failed);
        },

        // Shows the first page, or the one that `cursor` leads to below those that are there.
        async load(cursor) {
            clearTimeout(this.typing);
            const turn = ++this.turn;
            this.setData({ isLoading: true, fault: "" });
            try {
                const page = await api.rooms({ q: this.words, cursor });
                if (turn === this.turn) this.fill(page, cursor ? this.data.rooms : []);
            } catch (error) {
                if (turn !== this.turn) return;
                this.failed = cursor;
                this.setData({ isLoading: false, fault: faults.say(error) });
            }
        },

        fill(page, before) {
            this.cursor = page.next_cursor || null;
            this.setData({ isLoading: false, total: page.total, rooms: before.concat(page.rooms.map(card)) });
        },

        open(event) {
            const { id, live, name } = event.currentTarget.dataset;
            const page = live ? "/live/pages/entry/entry" : "/pages/room/room";
            wx.navigateTo({ url: page + query.encoded({ room_id: id, name }) });
        },
    },
});
