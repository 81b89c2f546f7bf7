/** Results as a table: the heads order it, and a row opens wherever it is pressed. */

import { el } from "./dom.js";
import { badge } from "./icons.js";
import { loadWhenSeen } from "./pictures.js";
import { t } from "./text.js";
import { chance, disagrees, lowered, number, when } from "./words.js";

/** What each column is, by which name the server orders it, and which way first; those without a name it does not. */
const COLUMNS = [
  { head: "history.image", sort: "name", first: "asc" },
  { head: "history.decision" },
  { head: "term.score", sort: "score", first: "desc", means: "history.score_order" },
  { head: "term.p_value", sort: "p_value", first: "asc", means: "term.p_value_means" },
  { head: "history.feedback" },
  { head: "history.received", sort: "received", first: "desc" },
];

/**
 * @param {object[]} inspections
 * @param {{order: {sort: string, order: string}, sortBy: (sort: string, order: string) => void, look: (inspections: object[], index: number) => void}} options
 */
export function resultTable(inspections, { order, sortBy, look }) {
  const heads = COLUMNS.map((column) => head(column, order, sortBy));
  const rows = inspections.map((inspection, index) => row(inspection, () => look(inspections, index)));
  return el("table", { class: "sheet rows results" }, el("thead", {}, el("tr", {}, heads)), el("tbody", {}, rows));
}

function head({ head: key, sort, first, means }, order, sortBy) {
  if (!sort) return el("th", { scope: "col" }, t(key));
  const isBy = sort === order.sort;
  const next = isBy ? (order.order === "asc" ? "desc" : "asc") : first;
  const arrow = isBy && el("span", { "aria-hidden": "true" }, order.order === "asc" ? "▲" : "▼");
  const button = el("button", { type: "button", class: "sorting", "data-sort": sort, title: means && t(means), onclick: () => sortBy(sort, next) }, t(key), arrow);
  return el("th", { scope: "col", "aria-sort": isBy ? { asc: "ascending", desc: "descending" }[order.order] : null }, button);
}

function row(inspection, open) {
  const name = el("button", { type: "button", class: "link name", "data-id": inspection.id, onclick: (event) => (event.stopPropagation(), open()) }, inspection.name);
  const picture = inspection.image?.url && loadWhenSeen(el("img", { alt: "", class: "mini" }), `/v1/inspections/${inspection.id}/thumbnail`);
  // The row is a larger target for the pointer; keys and screen readers have the button within.
  const pressed = () => getSelection().isCollapsed && open();
  return el("tr", { onclick: pressed },
    el("th", { scope: "row" }, el("div", { class: "with-picture" }, picture || el("span", { class: "mini missing" }), name)),
    el("td", { class: "plain", "data-head": t("history.decision") }, badge(inspection)),
    el("td", { class: "digits", "data-head": t("term.score") }, number(inspection.score)),
    el("td", { class: "digits", "data-head": t("term.p_value") }, chance(inspection.p_value)),
    el("td", { class: inspection.feedback ? null : "none", "data-head": t("history.feedback") }, opinion(inspection)),
    el("td", { class: "plain", "data-head": t("history.received") }, when(inspection.accepted_at)));
}

function opinion(inspection) {
  const said = inspection.feedback?.verdict;
  if (!said) return el("span", { class: "soft" }, "–");
  const verdict = lowered(t(`opinion.${said}`));
  return disagrees(inspection) ? el("strong", {}, t("history.contradicts", { verdict })) : verdict;
}
