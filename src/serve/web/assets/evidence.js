// What shows that the archive holds what was broadcast: digests, what was compared with what, the revision of the
// manifest, and a command that checks all of it without this program.

import { manifestUrl } from "./api.js";
import { copyButton, el } from "./dom.js";
import { moment, position, size } from "./format.js";
import { t, word } from "./i18n.js";

// The parts of the evidence of a room; none of a room without a manifest.
export function evidence(room, place) {
    if (!room.revision) return [];
    return [summary(room), manifest(room, place), verification(room), recordings(room)].filter(Boolean);
}

function summary({ completeness, totals, revision, published_at: published }) {
    const numbers = {
        archived: completeness?.archived ?? 0,
        listed: completeness?.listed ?? 0,
        size: size(totals?.bytes ?? 0),
        revision,
    };
    return el("p", {}, t("evidence.summary", numbers), " · ", t("evidence.published", { when: moment(published) }));
}

function manifest({ manifest_sha256: sha256, previous }, place) {
    return el(
        "p",
        { class: "fact" },
        el("a", { href: manifestUrl(place) }, t("evidence.manifest")),
        sha256 ? digest(t("evidence.manifest.sha256"), sha256) : null,
        previous ? digest(t("evidence.previous.sha256", { revision: previous.revision }), previous.sha256) : null,
    );
}

function verification({ verify_command: command }) {
    if (!command) return null;
    return el(
        "div",
        { class: "verify" },
        el("h3", {}, t("evidence.verify")),
        el("p", { class: "muted" }, t("evidence.verify.hint")),
        el(
            "div",
            { class: "command" },
            el("pre", { tabindex: 0 }, command),
            copyButton(t("site.copy"), t("site.copied"), () => command),
        ),
    );
}

function recordings({ segments = [], whole }) {
    const rows = segments.map((segment) => recording(t("room.segment", { index: segment.index }), segment));
    if (whole) rows.push(recording(t("room.whole"), whole));
    return el("ul", { class: "recordings" }, ...rows);
}

function recording(
    name,
    { state, reason, bytes, duration_ms: duration, sha256, evidence: checks, crc64nvme, crc64xz },
) {
    const facts = [word("state", state), bytes ? size(bytes) : null, duration ? position(duration / 1000) : null];
    const digests = Object.entries({ "SHA-256": sha256, "CRC-64/NVME": crc64nvme, "CRC-64/XZ": crc64xz });
    const compared = (checks ?? []).map((check) => word("evidence", check)).join(t("site.comma"));
    return el(
        "li",
        {},
        el("h3", {}, name),
        el(
            "div",
            {},
            el("p", {}, facts.filter(Boolean).join(" · ")),
            reason ? el("p", { class: "muted" }, reason) : null,
            compared ? el("p", {}, t("evidence.compared", { what: compared })) : null,
            ...digests.filter(([, value]) => value).map(([label, value]) => digest(label, value)),
        ),
    );
}

function digest(label, value) {
    return el(
        "span",
        { class: "digest" },
        el("span", { class: "muted" }, label),
        el("code", {}, value),
        copyButton(t("site.copy"), t("site.copied"), () => value, label),
    );
}
