// Both languages say everything, and the page asks for nothing that they do not say.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

import { TEXTS } from "../../src/serve/web/assets/i18n.js";

const WEB = new URL("../../src/serve/web/", import.meta.url);

function sources() {
    const files = readdirSync(WEB, { recursive: true }).filter((name) => /\.(html|js)$/.test(name));
    return files
        .filter((name) => !name.endsWith("i18n.js"))
        .map((name) => readFileSync(new URL(name, WEB), "utf8"))
        .join("\n");
}

function used(text) {
    const asked = [
        ...text.matchAll(/\bt\("([\w.-]+)"/g),
        ...text.matchAll(/data-(?:text|label|placeholder)="([\w.-]+)"/g),
    ];
    return new Set(asked.map(([, key]) => key));
}

const placeholders = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

test("every text is in both languages, with the same values", () => {
    for (const [key, texts] of Object.entries(TEXTS)) {
        assert.equal(texts.length, 2, key);
        const [zh, en] = texts;
        assert.ok(zh.trim() && en.trim(), key);
        assert.deepEqual(placeholders(zh), placeholders(en), key);
    }
});

test("every text that is Chinese is in the Chinese column", () => {
    const chinese = /\p{Script=Han}/u;
    for (const [key, [zh, en]] of Object.entries(TEXTS)) {
        if (key.startsWith("site.language") || key === "site.comma" || key === "player.position.of") continue;
        assert.match(zh, chinese, key);
        assert.doesNotMatch(en, chinese, key);
    }
});

test("every text that the page asks for exists", () => {
    for (const key of used(sources())) assert.ok(Object.hasOwn(TEXTS, key), key);
});

test("every text is asked for", () => {
    const text = sources();
    // These are made of a group and a word from the server or a table.
    const groups = /^(status|state|evidence|keys)\./;
    for (const key of Object.keys(TEXTS)) assert.ok(groups.test(key) || text.includes(`"${key}"`), key);
});

test("no page has a script or a style within it", () => {
    for (const name of readdirSync(WEB).filter((name) => name.endsWith(".html"))) {
        const html = readFileSync(new URL(name, WEB), "utf8");
        assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)/, name);
    }
});
