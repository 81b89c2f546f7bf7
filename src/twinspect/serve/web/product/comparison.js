/** A version beside the one that it was made from, on images that neither learnt from. */

import { el } from "../dom.js";
import { icon } from "../icons.js";
import { t } from "../text.js";
import { number, sentence } from "../words.js";

/** @param {object} comparison as the server gives it */
export function compared({ worse, reasons = [], good, defects, old, new: now }) {
  const rows = [["false_alarms", good], ["misses", defects]].map(([name, images]) => el("tr", {},
    el("th", { scope: "row" }, t(`compare.${name}`)),
    el("td", { class: "digits", "data-head": t("compare.before") }, t("words.of", { n: old[name], all: images })),
    el("td", { class: "digits", "data-head": t("compare.after") }, el("b", {}, t("words.of", { n: now[name], all: images })))));
  if (Number.isFinite(old.auroc) && Number.isFinite(now.auroc)) rows.push(el("tr", {}, el("th", { scope: "row" }, el("abbr", { title: t("compare.auroc_means") }, t("compare.auroc"))), el("td", { class: "digits", "data-head": t("compare.before") }, number(old.auroc)), el("td", { class: "digits", "data-head": t("compare.after") }, el("b", {}, number(now.auroc)))));
  const head = ["compare.what", "compare.before", "compare.after"].map((key) => el("th", { scope: "col" }, t(key)));
  return el("div", {},
    el("p", { class: worse ? "problem" : "verdict" }, icon(worse ? "alert" : "check"), " ", t(worse ? "compare.worse" : "compare.not_worse")),
    reasons.length > 0 && el("ul", {}, reasons.map((reason) => el("li", {}, sentence(reason.replace(/\.$/, ""))))),
    el("table", { class: "rows" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows)),
    el("p", { class: "soft" }, t("compare.kept")));
}
