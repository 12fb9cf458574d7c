// The rooms of an account: found by words, status and day, and shown as cards.

import * as api from "./api.js";
import { banner } from "./banner.js";
import { card } from "./card.js";
import { t } from "./i18n.js";
import * as page from "./page.js";

const TYPING_PAUSE_MS = 200;
const PER_PAGE = 48;
const FIELDS = ["q", "from", "to", "order"];

const find = (id) => document.getElementById(id);
const filters = find("filters");
const list = find("rooms");
const more = find("more");
const end = find("end");

let request = new AbortController();
let cursor = null;
let typing;

// What the form asks for, as the API and the address of the page have it.
function query() {
    const asked = Object.fromEntries(FIELDS.map((id) => [id, find(id).value.trim()]));
    const statuses = [...filters.querySelectorAll("[name=status]:checked")].map((box) => box.value);
    return { ...asked, order: asked.order === "newest" ? "" : asked.order, status: statuses.join(",") };
}

// The form as the address of the page asks for it.
function restore() {
    const asked = new URLSearchParams(location.search);
    for (const id of FIELDS) if (asked.has(id)) find(id).value = asked.get(id);
    const statuses = (asked.get("status") ?? "").split(",");
    for (const box of filters.querySelectorAll("[name=status]")) box.checked = statuses.includes(box.value);
    return asked.get("account");
}

// Puts what is asked for into the address, so that it can be sent to somebody and survives a reload.
function remember(asked) {
    const account = find("account");
    const shown = { account: account.options.length > 1 ? account.value : "", ...asked };
    const sent = new URLSearchParams(Object.entries(shown).filter(([, value]) => value)).toString();
    history.replaceState(null, "", sent ? `?${sent}` : location.pathname);
}

// Shows the first rooms that match, or the next where there are some already. A search that is no longer wanted is
// given up.
async function show(next) {
    request.abort();
    request = new AbortController();
    const { signal } = request;
    const asked = query();
    remember(asked);
    const filtered = Object.values({ ...asked, order: "" }).some(Boolean);
    find("clear").hidden = !filtered;
    list.setAttribute("aria-busy", "true");
    try {
        const answer = await api.rooms(find("account").value, { ...asked, limit: PER_PAGE, cursor: next }, signal);
        if (signal.aborted) return;
        fill(answer, next, filtered);
    } catch (error) {
        if (error.name === "AbortError") return;
        more.hidden = true;
        page.fail(end, error, () => show(next));
    }
    list.removeAttribute("aria-busy");
}

function fill(answer, next, filtered) {
    const cards = answer.rooms.map(card);
    if (next) list.append(...cards);
    else list.replaceChildren(...cards);
    cursor = answer.next_cursor;
    more.hidden = !cursor;
    end.replaceChildren();
    const shown = list.children.length;
    const nothing = filtered ? t("rooms.nothing") : t("rooms.none_yet");
    find("count").textContent = shown > 0 ? t("rooms.count", { shown, total: answer.total }) : nothing;
    if (next) cards[0]?.querySelector("a").focus();
}

function soon() {
    clearTimeout(typing);
    typing = setTimeout(() => show(null), TYPING_PAUSE_MS);
}

function now() {
    clearTimeout(typing);
    show(null);
}

async function warn() {
    const place = find("banner");
    place.replaceChildren();
    const account = find("account").value;
    const status = await api.status(account).catch(() => null);
    if (status && account === find("account").value) place.replaceChildren(banner(status) ?? "");
}

function choose(accounts, wanted) {
    const choice = find("account");
    choice.replaceChildren(...accounts.map(({ appid }) => new Option(appid, appid, false, appid === wanted)));
    find("account-choice").hidden = accounts.length < 2;
}

async function start() {
    const wanted = restore();
    try {
        const answer = await api.accounts();
        page.offerLogout(answer.signed_in);
        choose(answer.accounts, wanted);
        end.replaceChildren();
        if (answer.accounts.length === 0) {
            find("count").textContent = t("rooms.no_account");
            filters.hidden = true;
            return;
        }
    } catch (error) {
        return page.fail(end, error, start);
    }
    warn();
    show(null);
}

page.open();
document.title = t("site.title");
find("count").textContent = t("rooms.loading");
filters.addEventListener("submit", (event) => {
    event.preventDefault();
    now();
});
// The fields are empty only after the event.
filters.addEventListener("reset", () => setTimeout(now));
find("q").addEventListener("input", soon);
filters.addEventListener("change", (event) => event.target.id !== "q" && now());
more.addEventListener("click", () => show(cursor));
find("account").addEventListener("change", () => {
    warn();
    now();
});
start();
