// The login page: what went wrong before, and where to go afterwards.

import { t } from "./i18n.js";
import * as page from "./page.js";

const asked = new URLSearchParams(location.search);

page.open();
document.title = `${t("login.title")} · ${t("site.title")}`;
document.getElementById("next").value = asked.get("next") ?? "/";
if (asked.has("error")) {
    const error = document.getElementById("error");
    error.textContent = t(asked.get("error") === "token" ? "login.error.token" : "login.error.other");
    error.hidden = false;
}
