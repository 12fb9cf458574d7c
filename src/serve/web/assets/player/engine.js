// Plays a timeline: one <video> shows a medium while another one loads the next, so that a joint of two segments is
// no more than the change from one to the other. Counts in broadcast time; knows nothing of controls.
//
// Events: `change` (anything that a control shows), `gap` (seconds of broadcast that were passed over), `failed` (the
// error of the server, if it was one).

import { load, prepare } from "./medium.js";

const PRELOAD_SECONDS = 25;
const RENEW_BEFORE_MS = 5000;
const RETRY_MS = [0, 1000, 4000];
const PROGRESS_SECONDS = 1;
const LAST_PICTURE_SECONDS = 0.1;

// A video, and the medium that is loaded in it.
class Deck {
    constructor(video) {
        this.video = video;
        this.close();
    }

    open(timeline, medium, at, lost) {
        this.close();
        this.medium = medium;
        this.end = load(this.video, timeline.media[medium], at, lost);
    }

    close() {
        this.end?.();
        this.end = null;
        this.medium = null;
    }
}

export class Engine extends EventTarget {
    #decks;
    #plan;
    #expires = Infinity;
    #target = null;
    #clip = null;
    #failures = 0;
    #failedAt = 0;
    #turn = 0;

    // `plan` asks the server for what is to be played: `{ timeline, lifetime_ms }`.
    constructor(videos, plan) {
        super();
        this.#decks = videos.map((video) => new Deck(video));
        this.#plan = plan;
        this.playing = false;
        this.failed = false;
        this.ended = false;
        for (const deck of this.#decks) this.#listen(deck);
    }

    // Asks what there is to play, and stands at a time of it.
    async open(at) {
        await this.#renew();
        this.seek(at);
    }

    // The broadcast time that is shown, or that will be once it is loaded.
    get position() {
        const [{ medium, video }] = this.#decks;
        return this.#target ?? (medium === null ? 0 : this.timeline.broadcast(medium, video.currentTime));
    }

    get video() {
        return this.#decks[0].video;
    }

    // Whether it wants to play and has nothing to show yet.
    get waiting() {
        return !this.failed && this.playing && (this.#target !== null || this.video.readyState < 3);
    }

    play() {
        // Some browsers let only a video play that was touched by the person: here both are.
        const [, { video, medium }] = this.#decks;
        if (medium === null) video.load();
        this.set("preload", "auto");
        this.playing = true;
        if (this.failed || this.#expired) this.#reload(++this.#turn);
        else if (this.ended) this.seek(0);
        else this.#start();
        this.#changed();
    }

    pause() {
        this.playing = false;
        this.video.pause();
        this.#changed();
    }

    toggle() {
        if (this.playing) this.pause();
        else this.play();
    }

    // Goes to a broadcast time.
    seek(time) {
        this.#target = Math.max(Math.min(time, this.timeline.total - LAST_PICTURE_SECONDS), 0);
        this.ended = false;
        this.failed = false;
        const turn = ++this.#turn;
        if (this.#expired) return this.#reload(turn);
        this.#show(this.timeline.locate(this.#target));
        this.#changed();
    }

    // Passes over what cannot be played.
    skip() {
        const next = this.timeline.clips.find((clip) => clip.start > this.position);
        if (!next) return;
        this.#failures = 0;
        this.playing = true;
        this.seek(next.start);
    }

    get canSkip() {
        return this.timeline?.clips.some((clip) => clip.start > this.position) ?? false;
    }

    // Sets what both videos share: `playbackRate`, `volume`, `muted`, `preload`.
    set(property, value) {
        for (const { video } of this.#decks) {
            video[property] = value;
            // Loading resets the rate to this one.
            if (property === "playbackRate") video.defaultPlaybackRate = value;
        }
        this.#changed();
    }

    #listen(deck) {
        const on = (event, listener) => {
            deck.video.addEventListener(event, () => deck === this.#decks[0] && deck.medium !== null && listener());
        };
        for (const event of ["waiting", "canplay", "volumechange", "ratechange"]) on(event, () => this.#changed());
        for (const event of ["timeupdate", "seeked", "playing", "loadeddata"]) on(event, () => this.#moved());
        on("ended", () => this.#next());
        // The system pauses and plays as well: another app, a headset. A video pauses at its end and where it fails.
        on("play", () => this.#wanted(true));
        on("pause", () => deck.video.ended || deck.video.error || this.#wanted(false));
    }

    #wanted(playing) {
        this.playing = playing;
        this.#changed();
    }

    // Shows a clip, from the video that has its medium if there is one.
    #show({ clip, at }) {
        const [shown, other] = this.#decks;
        this.#clip = clip;
        if (clip.medium !== shown.medium) {
            shown.video.pause();
            this.#decks = [other, shown];
            shown.video.classList.add("behind");
            other.video.classList.remove("behind");
        }
        const [deck, behind] = this.#decks;
        if (deck.medium === clip.medium && !deck.video.error) {
            if (Math.abs(deck.video.currentTime - at) > 0.01) deck.video.currentTime = at;
            else this.#moved();
        } else {
            this.#open(deck, clip.medium, at);
        }
        if (behind.medium !== null && behind.medium !== clip.medium + 1) behind.close();
        if (this.playing) this.#start();
    }

    #open(deck, medium, at) {
        deck.open(this.timeline, medium, at, () => (deck === this.#decks[0] ? this.#recover() : deck.close()));
    }

    // The browser may refuse to play before somebody has touched the page.
    #start() {
        const { video } = this;
        video.play()?.catch((error) => {
            if (error.name !== "NotAllowedError" || video !== this.video) return;
            this.playing = false;
            this.#changed();
        });
    }

    #moved() {
        const [{ medium, video }] = this.#decks;
        if (video.seeking || video.readyState < 2) return;
        this.#target = null;
        const before = this.#clip;
        this.#clip = this.timeline.clipOf(medium, video.currentTime);
        if (this.#clip.gap > 0 && this.timeline.clips.indexOf(before) + 1 === this.timeline.clips.indexOf(this.#clip)) {
            this.#tell("gap", this.#clip.gap);
        }
        if (Math.abs(this.position - this.#failedAt) > PROGRESS_SECONDS) this.#failures = 0;
        this.#preload();
        this.#changed();
    }

    // Goes from the end of a medium to the beginning of the next.
    #next() {
        const [{ medium }, behind] = this.#decks;
        const clip = this.timeline.first(medium + 1);
        if (!clip) {
            this.playing = false;
            this.ended = true;
            return this.#changed();
        }
        if (clip.gap > 0) this.#tell("gap", clip.gap);
        this.#target = clip.start;
        const turn = ++this.#turn;
        if (this.#expired && behind.medium !== clip.medium) this.#reload(turn);
        else this.#show({ clip, at: clip.from });
    }

    #preload() {
        const [{ medium, video }, behind] = this.#decks;
        const clip = this.timeline.first(medium + 1);
        const left = (video.duration - video.currentTime) / video.playbackRate;
        if (!this.playing || !clip || behind.medium === clip.medium || !(left < PRELOAD_SECONDS)) return;
        if (!this.#expired) this.#open(behind, clip.medium, clip.from);
    }

    async #renew() {
        const { timeline, lifetime_ms: lifetime } = await this.#plan();
        await prepare(timeline.media);
        this.timeline = timeline;
        this.#expires = lifetime === null ? Infinity : performance.now() + Math.max(lifetime - RENEW_BEFORE_MS, 0);
    }

    get #expired() {
        return performance.now() > this.#expires;
    }

    // What plays was lost: perhaps its URL has expired, perhaps the network is away. Tries a few times.
    async #recover(error = null) {
        const turn = ++this.#turn;
        this.#failedAt = this.position;
        if (this.#failures >= RETRY_MS.length) return this.#fail(error);
        const wait = RETRY_MS[this.#failures++];
        this.#target = this.position;
        if (wait > 0) await new Promise((done) => setTimeout(done, wait));
        if (turn === this.#turn) await this.#reload(turn);
    }

    // Shows the same second from new URLs, unless something else is wanted by then.
    async #reload(turn) {
        this.#target = this.position;
        this.failed = false;
        this.#changed();
        try {
            await this.#renew();
        } catch (error) {
            if (turn !== this.#turn) return;
            // The server refuses, or there is nothing any more: that does not pass.
            if (error.status >= 400 && error.status < 500) this.#fail(error);
            else this.#recover(error);
            return;
        }
        if (turn !== this.#turn) return;
        for (const deck of this.#decks) deck.close();
        this.#show(this.timeline.locate(this.#target));
        this.#changed();
    }

    #fail(error) {
        this.failed = true;
        this.#failures = 0;
        this.video.pause();
        this.#tell("failed", error);
        this.#changed();
    }

    #changed() {
        this.#tell("change");
    }

    #tell(event, detail) {
        this.dispatchEvent(new CustomEvent(event, { detail }));
    }
}
