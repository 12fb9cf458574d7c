// The login page: what went wrong before, and where to go afterwards.

import { t } from "./i18n.js";
import * as page from "./page.js";

const asked = new URLSearchParams(location.search);

page.open();
document.title = `${t("login.title")} · ${t("site.title")}`;
document.getElementById("next").value = asked.get("next") ?? "/";
if (asked.has("error")) {
    const error = document.getElementById("error");
    const texts = { token: "login.error.token", https: "login.error.https" };
    error.textContent = t(texts[asked.get("error")] ?? "login.error.other");
    error.hidden = false;
}
