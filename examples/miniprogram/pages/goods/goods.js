// An item. The shelf of a replay opens it, and so does the live plugin: both say from which room. In the plugin's room
// nothing leads back from a shop's page, so the page has a back button of its own.

const api = require("../../lib/api");
const faults = require("../../lib/faults");
const goods = require("../../lib/goods");

Component({
    data: { item: null, fault: "" },

    methods: {
        async onLoad({ room_id, goods_id }) {
            this.roomId = room_id;
            try {
                const room = await api.room(room_id);
                const item = (room.goods || []).find((entry) => `${entry.goods_id}` === goods_id);
                this.setData(item ? { item: goods.shown(item) } : { fault: "没有找到这件商品" });
            } catch (error) {
                this.setData({ fault: faults.say(error) });
            }
        },

        // Back to the room, live or replayed. Whoever came by a shared card has nothing behind the page: they get the
        // room's replay, or the list.
        back() {
            if (getCurrentPages().length > 1) return wx.navigateBack();
            const url = this.roomId ? `/pages/room/room?room_id=${this.roomId}` : "/pages/rooms/rooms";
            wx.redirectTo({ url });
        },
    },
});
