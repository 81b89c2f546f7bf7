/** Step 3, the result of the newest training: what it promises, what it would find, and what a better promise takes. */

import { get } from "../api.js";
import { el, empty, facts } from "../dom.js";
import { addressOf } from "../route.js";
import { attempt } from "../notice.js";
import { download } from "../pictures.js";
import { t } from "../text.js";
import { term } from "../term.js";
import { hasToken } from "../token.js";
import { count, number, percent, sentence, when } from "../words.js";

/** @param {{root: HTMLElement, product: object, path: string, signal: AbortSignal}} context */
export async function resultStep({ root, product, path, signal }) {
  const { versions } = await get(`${path}/versions`, {}, signal);
  if (!versions.length) return root.append(empty(t("result.none"), t("result.none_why")));
  const [newest] = versions;
  root.append(
    el("section", { class: "sheet summary" },
      el("h2", {}, t("version.number", { number: newest.number })),
      el("p", { class: "lead" }, sentence(newest.promise)),
      newest.usable === false && el("p", { class: "problem" }, t("threshold.not_usable")),
      product.active === null && el("p", { class: "warning" }, t("result.decides_nothing")),
      product.active !== null && !newest.active && el("p", { class: "warning" }, t("result.other_decides", { number: product.active })),
      facts([
        [t("result.learnt"), count(newest.learnt, "good_photos")],
        [t("result.held_out"), count(newest.images, "good_photos")],
        [term("threshold"), number(newest.threshold)],
        [t("result.made"), when(newest.created_at)],
      ]),
      el("div", { class: "row" },
        reportLink(newest, root),
        newest.active && el("a", { class: "button", href: "#/inspect" }, t("result.inspect")),
        el("a", { class: "button", href: addressOf(`product/${encodeURIComponent(product.name)}/versions`) }, t("result.versions"))),
      newest.would_find && el("details", {}, el("summary", {}, t("result.would_find")), el("p", { class: "soft" }, sentence(newest.would_find)))),
    better(newest));
}

/** The report opens beside; where a token is needed, which no link carries, it is saved as a file. */
function reportLink({ number: version, report_url: url }, root) {
  if (!url) return el("span", { class: "soft" }, t("result.no_report"));
  if (!hasToken()) return el("a", { class: "button main", href: url.replace(/^.*?\/v1\//, "v1/"), target: "_blank", rel: "noopener" }, t("result.report"));
  const path = url.replace(/^.*?\/v1\//, "/v1/");
  return el("button", { type: "button", class: "main", onclick: () => attempt(root, () => download(path, `report-${version}.html`)) }, t("result.save_report"));
}

/** How many more good photos a tighter promise takes. */
function better({ for_a_rate: rates, false_alarm_rate: now }) {
  const rows = rates.map(({ rate, photos, more }) => el("tr", {},
    el("th", { scope: "row" }, t("threshold.alarms", { rate: percent(rate) })),
    el("td", { class: "digits", "data-head": t("result.photos") }, String(photos)),
    el("td", { class: "digits", "data-head": t("result.more") }, more ? el("b", {}, String(more)) : t(now <= rate ? "result.has" : "result.enough"))));
  const head = ["threshold.takes", "result.photos", "result.more"].map((key) => el("th", { scope: "col" }, t(key)));
  return el("section", { "aria-labelledby": "better" },
    el("h2", { id: "better" }, t("threshold.better")), el("p", { class: "soft" }, t("result.better_why")),
    el("table", { class: "sheet rows" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows)));
}
