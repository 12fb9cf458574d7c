// A room that is still to come or live: its state, a reminder, and the way into the live plugin.

const query = require("../../../lib/query");
const live = require("../../live");

// What the shop wants to find again on its goods page and in shared cards.
const PARAMS = { from: "replays" };

Component({
    data: { roomId: 0, name: "", params: live.encoded(PARAMS), state: { text: "正在查询直播状态…" } },

    methods: {
        onLoad({ room_id, name, type }) {
            this.type = Number(type);
            this.setData({ roomId: Number(room_id) || 0, name: query.decoded(name) || `直播间 ${room_id}` });
        },

        onShow() {
            this.onHide();
            this.unwatch = live.watch(this.data.roomId, (state) => this.setData({ state }));
        },

        // Nobody looks: nothing is asked.
        onHide() {
            if (this.unwatch) this.unwatch();
            this.unwatch = null;
        },

        onUnload() {
            this.onHide();
        },

        enter() {
            wx.navigateTo({
                url: live.roomUrl(this.data.roomId, { type: this.type, params: PARAMS }),
                fail: () => wx.showToast({ title: "直播间打不开，请稍后再试", icon: "none" }),
            });
        },

        replay() {
            wx.redirectTo({ url: `/pages/room/room?room_id=${this.data.roomId}` });
        },
    },
});
