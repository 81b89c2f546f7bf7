/** A version beside the one that it was made from, on images that neither learnt from. */

import { el } from "../dom.js";
import { icon } from "../icons.js";
import { t } from "../text.js";
import { number } from "../words.js";

/** @param {object} comparison as the server gives it: on images kept from the start, and on those that came with the update */
export function compared({ worse, reasons = [], kept, added }) {
  return el("div", { class: "step" },
    el("p", { class: worse ? "problem" : "verdict" }, icon(worse ? "alert" : "check"), " ", t(worse ? "compare.worse" : "compare.not_worse")),
    reasons.length > 0 && el("ul", {}, reasons.map((reason) => el("li", {}, reason))),
    !kept?.new.defects && el("p", { class: "warning" }, t("compare.no_defects")),
    table("kept", kept), table("added", added));
}

function table(which, both) {
  if (!both || !(both.new.good || both.new.defects)) return null;
  const { old, new: now } = both;
  const rows = [
    now.good > 0 && row("false_alarms", shares(old, "false_alarms", "good"), shares(now, "false_alarms", "good")),
    now.defects > 0 && row("misses", shares(old, "misses", "defects"), shares(now, "misses", "defects")),
    Number.isFinite(now.image_auroc) && Number.isFinite(old.image_auroc) && row("auroc", number(old.image_auroc), number(now.image_auroc)),
  ];
  const head = ["compare.what", "compare.before", "compare.after"].map((key) => el("th", { scope: "col" }, t(key)));
  return el("table", { class: "rows" }, el("caption", {}, t(`compare.${which}`)), el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows.filter(Boolean)));
}

const shares = (figures, what, of) => t("words.of", { n: figures[what], all: figures[of] });

function row(name, before, after) {
  const title = name === "auroc" ? el("abbr", { title: t("compare.auroc_means") }, t("compare.auroc")) : t(`compare.${name}`);
  return el("tr", {}, el("th", { scope: "row" }, title), el("td", { class: "digits", "data-head": t("compare.before") }, before), el("td", { class: "digits", "data-head": t("compare.after") }, el("b", {}, after)));
}
