// What holds the sample together: that the made-up answers are the API's, and that the mini program is put together
// as WeChat demands.

const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const { test } = require("node:test");

const answers = require("./answers");
const { APP, wechat } = require("./stage");

const ROOT = path.join(__dirname, "../..");
const json = (...file) => JSON.parse(fs.readFileSync(path.join(...file)));
const { schemas } = json(ROOT, "docs/openapi.json").components;

const files = fs.readdirSync(APP, { recursive: true }).map((file) => file.replaceAll(path.sep, "/"));
const app = json(APP, "app.json");
const pages = [...app.pages, ...app.subPackages.flatMap(({ root, pages }) => pages.map((page) => `${root}/${page}`))];

// Fails if a value has what its schema does not, or lacks what it must have.
function holds(value, schema, where) {
    const { $ref, anyOf = [], items, properties, required = [] } = schema;
    if ($ref) return holds(value, schemas[$ref.split("/").pop()], where);
    const other = anyOf.find(({ $ref }) => $ref);
    if (other && value !== null) return holds(value, other, where);
    if (items) return value.forEach((one, index) => holds(one, items, `${where}[${index}]`));
    if (!properties || value === null) return;
    for (const name of required) assert.ok(name in value, `${where} lacks ${name}`);
    for (const name of Object.keys(value)) {
        assert.ok(properties[name], `${where} has ${name}`);
        holds(value[name], properties[name], `${where}.${name}`);
    }
}

test("the answers made up here are the API's", () => {
    const { STITCHED, WHOLE, entry, page, playback, room } = answers;
    holds(page([entry(1)]), schemas.RoomPage, "rooms");
    holds(playback({ stitched: STITCHED, whole: WHOLE }), schemas.RoomPlayback, "playback");
    // A room has more facts than the sample shows.
    holds(room(), { ...schemas.RoomDetails, required: [] }, "room");
});

test("every page has its four files and is a component", () => {
    for (const page of pages) {
        for (const kind of ["js", "json", "wxml", "wxss"])
            assert.ok(files.includes(`${page}.${kind}`), `${page}.${kind}`);
        assert.equal(json(APP, `${page}.json`).component, true, page);
    }
});

test("the live plugin is declared in the subpackage that uses it, and nowhere else is it used", () => {
    assert.equal(app.plugins, undefined);
    const [live] = app.subPackages;
    assert.equal(live.plugins["live-player-plugin"].provider, "wx2b03c6e691cd7370");
    const users = files.filter((file) => /\.(js|json|wxml)$/.test(file) && file !== "app.json");
    for (const file of users.filter((file) => !file.startsWith("live/"))) {
        assert.doesNotMatch(fs.readFileSync(path.join(APP, file), "utf8"), /requirePlugin|plugin-private:/, file);
    }
});

test("every page that the code goes to is there", () => {
    for (const file of files.filter((file) => file.endsWith(".js"))) {
        const text = fs.readFileSync(path.join(APP, file), "utf8");
        for (const [, page] of text.matchAll(/["`]\/?((?:live\/)?pages\/\w+\/\w+)/g))
            assert.ok(pages.includes(page), `${file}: ${page}`);
    }
});

test("every handler of a template is a method of its page", () => {
    for (const page of pages) {
        const [template, code] = ["wxml", "js"].map((kind) =>
            fs.readFileSync(path.join(APP, `${page}.${kind}`), "utf8"),
        );
        for (const [, handler] of template.matchAll(/bind\w+="(\w+)"/g)) {
            assert.match(code, new RegExp(`^        (async )?${handler}\\(`, "m"), `${page}: ${handler}`);
        }
    }
});

test("the group's ticket is kept on return from its card, and only then", () => {
    wechat();
    let sample;
    global.App = (definition) => (sample = definition);
    require(path.join(APP, "app.js"));
    sample.onShow({ scene: 1044, shareTicket: "ticket" });
    assert.equal(sample.globalData.shareTicket, "ticket");
    sample.onShow({ scene: 1001 });
    assert.equal(sample.globalData.shareTicket, null);
    sample.onShow();
});
