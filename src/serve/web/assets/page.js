// What every page has: its texts, the switch of the language, signing out, and how an error is shown.

import { el } from "./dom.js";
import { switchLanguage, t, translate } from "./i18n.js";

// Fills in the texts of the page and makes its header work.
export function open() {
    translate(document);
    document.querySelector("#language")?.addEventListener("click", switchLanguage);
}

// Shows "sign out" to whoever has signed in.
export function offerLogout(signedIn) {
    document.querySelector("#logout").hidden = !signedIn;
}

// Goes to the login page, and comes back from there.
export function signIn() {
    location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
}

// Says what failed in the place of what is missing, and offers to try again.
export function explain(place, error, retry) {
    const what = error.status === 0 ? t("site.offline") : t("site.failed", { what: error.message });
    place.replaceChildren(
        el(
            "div",
            { class: "failure", role: "alert" },
            el("p", {}, what),
            el("button", { type: "button", on: { click: retry } }, t("site.retry")),
        ),
    );
}

// The same, but who is not signed in is sent to do so.
export function fail(place, error, retry) {
    if (error.status === 401) signIn();
    else explain(place, error, retry);
}
