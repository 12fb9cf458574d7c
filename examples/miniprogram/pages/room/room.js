// A room's replay: the stitched film, the whole, or the segments in turn; and what was on sale.

const api = require("../../lib/api");
const faults = require("../../lib/faults");
const format = require("../../lib/format");
const goods = require("../../lib/goods");
const memory = require("../../lib/memory");
const playlist = require("../../lib/playlist");
const query = require("../../lib/query");

const SAVE_EVERY_MS = 5000;
// A position this far before the wanted one means that `initial-time` had no effect.
const NEAR_SECONDS = 2;
// A fresh URL has proven itself when this much has played; one that has not is not replaced again.
const PROVEN_MS = 10000;
// What `playbackRate` takes.
const SPEEDS = [0.5, 0.8, 1, 1.25, 1.5, 2];
const NOTHING_PLAYS = "这场直播没有可以播放的回放";

Component({
    data: {
        name: "",
        facts: "",
        goods: [],
        goodsFault: "",
        src: "",
        at: 0,
        poster: "",
        autoplay: false,
        clip: 0,
        clips: [],
        speeds: SPEEDS,
        speed: 1,
        fault: "",
        canSkip: false,
    },

    lifetimes: {
        created() {
            this.seconds = 0;
            this.saved = 0;
            // Where in the broadcast failed URLs were replaced by fresh ones that have not proven themselves yet.
            this.replacedAt = null;
        },
    },

    methods: {
        onLoad({ room_id, name }) {
            this.roomId = room_id;
            this.setData({ name: query.decoded(name) });
            return Promise.all([this.describe(), this.start()]);
        },

        onHide() {
            this.save();
        },

        onUnload() {
            this.save();
        },

        onShareAppMessage() {
            return { title: this.data.name, path: `/pages/room/room?room_id=${this.roomId}` };
        },

        // The room's facts and goods. The film plays without them.
        async describe() {
            try {
                const room = await api.room(this.roomId);
                this.items = room.goods || [];
                const facts = [room.anchor_name, format.moment(room.start_time)].filter(Boolean).join(" · ");
                this.setData({ name: format.nameOf(room), facts, goods: this.items.map(goods.shown), goodsFault: "" });
            } catch (error) {
                if (error.kind !== "missing") this.setData({ goodsFault: faults.say(error) });
            }
        },

        async start() {
            this.setData({ fault: "" });
            if (!(await this.ask())) return;
            const at = memory.position(this.roomId);
            this.play(playlist.locate(this.plan, at), false);
            if (at > 0) wx.showToast({ title: "从上次看到的地方继续", icon: "none" });
        },

        // Asks what plays the room. Says whether anything does.
        async ask() {
            try {
                const playback = await api.playback(this.roomId);
                this.plan = playlist.plan(playback, api.absolute);
                const clips = this.plan.clips.map((clip, index) => `${index + 1}`);
                this.setData({ clips, poster: api.absolute(playback.poster_url) || "" });
            } catch (error) {
                this.fail(faults.say(error));
                return false;
            }
            if (this.plan.kind === "none") this.fail(NOTHING_PLAYS);
            return this.plan.kind !== "none";
        },

        // Plays a clip from `seconds` on. A URL that is there already is loaded again.
        play({ clip, seconds }, autoplay) {
            this.seconds = seconds;
            this.wanted = seconds;
            const { url } = this.plan.clips[clip];
            const shown = { src: url, at: seconds, autoplay, clip, fault: "" };
            if (this.data.src === url) this.setData({ src: "" }, () => this.setData(shown));
            else this.setData(shown);
        },

        played({ detail }) {
            const missed = this.wanted > 0 && detail.currentTime < this.wanted - NEAR_SECONDS;
            if (missed) this.video().seek(this.wanted);
            else this.seconds = detail.currentTime;
            this.wanted = 0;
            const position = this.position();
            if (Math.abs(position - this.replacedAt) >= PROVEN_MS) this.replacedAt = null;
            if (Math.abs(position - this.saved) >= SAVE_EVERY_MS) this.save();
        },

        // Every new URL begins at normal speed.
        began() {
            if (this.data.speed !== 1) this.video().playbackRate(this.data.speed);
        },

        paused() {
            this.save();
        },

        ended() {
            this.replacedAt = null;
            const next = this.data.clip + 1;
            if (next < this.plan.clips.length) return this.play({ clip: next, seconds: 0 }, true);
            this.play({ clip: 0, seconds: 0 }, false);
            memory.forget(this.roomId);
        },

        // Perhaps the URL has expired: asks once for a fresh one, and resumes where it stopped.
        async failed() {
            if (this.isReplacing) return;
            if (this.replacedAt !== null) return this.fail("视频无法播放，请检查网络后重试");
            this.replacedAt = this.position();
            await this.replace(this.replacedAt);
        },

        // Fresh URLs for what plays. A player may report one failure several times.
        async replace(position) {
            this.isReplacing = true;
            if (await this.ask()) this.play(playlist.locate(this.plan, position), true);
            this.isReplacing = false;
        },

        fail(fault) {
            const canSkip = Boolean(this.plan) && this.data.clip + 1 < this.plan.clips.length;
            this.setData({ fault, canSkip });
        },

        async retry() {
            this.replacedAt = null;
            if (!this.plan || this.plan.kind === "none") return this.start();
            await this.replace(this.position());
        },

        skip() {
            this.choose(this.data.clip + 1);
        },

        chooseClip(event) {
            this.choose(event.currentTarget.dataset.clip);
        },

        choose(clip) {
            this.replacedAt = null;
            this.play({ clip, seconds: 0 }, true);
        },

        chooseSpeed(event) {
            const { speed } = event.currentTarget.dataset;
            this.setData({ speed });
            this.video().playbackRate(speed);
        },

        landscape() {
            this.video().requestFullScreen({ direction: 90 });
        },

        openLive() {
            const asked = { room_id: this.roomId, name: this.data.name };
            wx.navigateTo({ url: `/live/pages/entry/entry${query.encoded(asked)}` });
        },

        // Opens the page of an item. Where this mini program has no such page, the sample's own shows it.
        openGoods(event) {
            const item = this.items[event.currentTarget.dataset.index];
            wx.navigateTo({
                url: goods.pageOf(item, this.roomId),
                fail: () => wx.navigateTo({ url: goods.ownPage(item, this.roomId) }),
            });
        },

        // Where in the broadcast it plays.
        position() {
            return this.plan ? playlist.broadcastTime(this.plan, this.data.clip, this.seconds) : 0;
        },

        save() {
            const position = this.position();
            if (position <= 0) return;
            this.saved = position;
            memory.remember(this.roomId, position);
        },

        video() {
            return wx.createVideoContext("film", this);
        },
    },
});
