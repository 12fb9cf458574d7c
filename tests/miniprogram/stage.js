// A stage for the sample mini program: its pages on jsdom, with WeChat's own template compiler, and the rest of WeChat
// (requests, storage, videos, ways between pages, the live plugin) made up here and recorded.

const path = require("node:path");
const { JSDOM } = require("jsdom");

const APP = path.resolve(__dirname, "../../examples/miniprogram");
const BASE = "https://replays.example.com/api/v1/accounts/wx0123456789abcdef";

const { window } = new JSDOM("<!doctype html><body></body>");
Object.assign(global, { window, document: window.document });
for (const name of ["Element", "CustomEvent", "TouchEvent"]) global[name] = window[name];

const jComponent = require("j-component");
const simulate = require("miniprogram-simulate");

// What the components are told, which the simulation otherwise forgets.
function component(id, properties) {
    const untyped = properties.map((name) => [name, { type: null, value: null }]);
    jComponent.register({ id, tagName: `wx-${id}`, template: "<slot/>", properties: Object.fromEntries(untyped) });
    return id;
}

component("video", ["src", "initialTime", "autoplay", "poster"]);
component("image", ["src"]);
const SUBSCRIBE = component("subscribe", ["roomId", "customParams"]);

// Waits for everything that is waiting for nothing but its turn.
async function settle() {
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
}

// Answers `path` below the account with the body in `routes`, or the one that a function there makes of the query.
// A number is a status, an Error a failure of the network. The paths are recorded in `asked`.
function serve(routes) {
    const asked = [];
    wx.request = ({ url, success, fail }) => {
        const [before, query = ""] = url.split("?");
        const route = before.startsWith(BASE) ? before.slice(BASE.length) : before;
        asked.push(query ? `${route}?${query}` : route);
        const found = typeof routes[route] === "function" ? routes[route](new URLSearchParams(query)) : routes[route];
        Promise.resolve(found).then((body = 404) => {
            if (body instanceof Error) fail({ errMsg: body.message });
            else if (typeof body === "number") success({ statusCode: body, data: { status: body } });
            else success({ statusCode: 200, data: body });
        });
    };
    return asked;
}

// A fresh WeChat. What it is asked to do is recorded: where it went, what it showed, what videos were told.
function wechat({ pages = 1, hasPage = () => true } = {}) {
    const stored = new Map();
    const did = { went: [], toasts: [], video: [], stored };
    const go =
        (how) =>
        (options = {}) => {
            did.went.push(`${how} ${options.url || ""}`.trim());
            if (options.url && !hasPage(options.url) && options.fail)
                options.fail({ errMsg: "navigateTo:fail page is not found" });
        };
    for (const how of ["navigateTo", "redirectTo", "navigateBack"]) wx[how] = go(how);
    wx.showToast = ({ title }) => did.toasts.push(title);
    wx.stopPullDownRefresh = () => {};
    wx.getStorageSync = (key) => (stored.has(key) ? structuredClone(stored.get(key)) : "");
    wx.setStorageSync = (key, value) => stored.set(key, structuredClone(value));
    const told = (what) => (value) => did.video.push([what, value]);
    wx.createVideoContext = () => ({
        seek: told("seek"),
        playbackRate: told("playbackRate"),
        requestFullScreen: told("requestFullScreen"),
    });
    global.getCurrentPages = () => Array.from({ length: pages });
    return did;
}

const loaded = new Map();

function load(page) {
    const options = { rootPath: APP, usingComponents: { subscribe: SUBSCRIBE } };
    if (!loaded.has(page)) loaded.set(page, simulate.load(path.join(APP, page), options));
    return loaded.get(page);
}

// A page as somebody sees it.
class Shown {
    constructor(page) {
        this.page = simulate.render(load(page));
        this.page.attach(document.createElement("parent"));
    }

    // Calls a method of the page as WeChat does.
    async call(method, ...given) {
        this.page.instance[method](...given);
        await settle();
    }

    all(selector) {
        return this.page.querySelectorAll(selector);
    }

    texts(selector) {
        return this.all(selector).map(({ dom }) => dom.textContent.trim());
    }

    text(selector) {
        return this.texts(selector).join(" ");
    }

    // What a component was told.
    told(selector, property) {
        return this.page.querySelector(selector)?.instance.data[property];
    }

    // An event of a component. `at` says of which, where there are several.
    async event(selector, name, detail = {}, at = 0) {
        this.all(selector)[at].dispatchEvent(name, { detail });
        await settle();
    }

    tap(selector, at = 0) {
        return this.event(selector, "tap", {}, at);
    }
}

// Opens a page with the parameters of its address.
async function open(page, query = {}) {
    const shown = new Shown(page);
    await shown.call("onLoad", query);
    if (shown.page.instance.onShow) await shown.call("onShow");
    return shown;
}

module.exports = { APP, open, serve, settle, wechat };
