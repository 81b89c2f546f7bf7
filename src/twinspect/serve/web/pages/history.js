/** History: everything scored so far, filtered, ordered, page by page, and as a table for a spreadsheet. */

import { get, query } from "../api.js";
import { el, empty, select } from "../dom.js";
import { filterPanel } from "../filter_panel.js";
import { attempt, say } from "../notice.js";
import { download } from "../pictures.js";
import { resultTable } from "../result_table.js";
import { asked, keep } from "../route.js";
import { pieces, t } from "../text.js";
import { view } from "../viewer.js";
import { count } from "../words.js";

const ROWS = 25;
const DECISIONS = ["anomalous", "good", "not_inspectable", "failed"];
const SOURCES = ["web", "watch", "api"];
const OPINIONS = ["none", "good", "defect", "unsure", "disagree"];
const FILTERS = ["decision", "feedback", "source", "category", "since", "until", "name"];

/** @param {{root: HTMLElement, model: object, signal: AbortSignal}} context */
export async function history({ root, model, signal }) {
  const given = asked().parameters;
  const filter = Object.fromEntries(FILTERS.map((name) => [name, given[name] ?? ""]));
  const order = { sort: given.sort ?? "received", order: given.order ?? "desc" };
  const before = []; // where the pages before this one began, so that "Newer" can go back
  const list = el("div", { class: "list", "aria-live": "polite" });
  const newer = el("button", { type: "button", onclick: () => turn(() => before.pop()) });
  const older = el("button", { type: "button" });
  const total = el("p", { class: "soft" });
  const asks = () => ({ model: model.name, ...filter });

  /** After a look at an image: what was said of it is shown, and the focus is where it was. */
  async function look(inspections, index) {
    await view(inspections, index);
    if (signal.aborted) return; // a link within led to another page
    await attempt(root, show);
    list.querySelector(`[data-id="${inspections[index].id}"]`)?.focus();
  }
  function turn(change) {
    change();
    return attempt(root, show);
  }
  async function show() {
    keep("history", { ...filter, ...(order.sort === "received" && order.order === "desc" ? {} : order) });
    const page = await get("/v1/inspections", { ...asks(), ...order, after: before.at(-1), limit: ROWS }, signal);
    const { inspections, next } = page;
    list.replaceChildren(inspections.length ? resultTable(inspections, { order, sortBy, look }) : nothing(filter));
    const first = before.length * ROWS + 1;
    total.textContent = inspections.length ? t("history.range", { first, last: first + inspections.length - 1, images: count(page.total, "images") }) : "";
    newer.textContent = t(order.sort === "received" ? "history.newer" : "history.page_before");
    older.textContent = t(order.sort === "received" ? "history.older" : "history.page_after");
    newer.disabled = !before.length;
    older.disabled = !next;
    older.onclick = () => turn(() => before.push(next));
  }
  function changed(name, value) {
    before.length = 0;
    filter[name] = value;
    return attempt(root, show);
  }
  async function sortBy(sort, direction) {
    before.length = 0;
    Object.assign(order, { sort, order: direction });
    await attempt(root, show);
    list.querySelector(`[data-sort="${sort}"]`)?.focus();
  }
  async function save() {
    const path = `/v1/inspections${query({ ...asks(), format: "csv" })}`;
    await attempt(root, () => download(path, t("history.file", { model: model.name }), { headers: { Accept: "text/csv" }, signal }));
    say(t("history.saved"));
  }

  root.append(
    el("div", { class: "row" }, el("h1", { class: "grow" }, t("page.history")), orders(order, sortBy), el("button", { type: "button", onclick: save }, t("history.export"))),
    filters(model, filter, changed),
    list,
    el("div", { class: "row end" }, total, newer, older),
  );
  await attempt(root, show);
}

/** The orders that are asked for most, for phones too, where a table has no heads to press. */
function orders({ sort, order }, sortBy) {
  const choices = [["received desc", t("history.newest_first")], ["score desc", t("history.worst_first")], ["received asc", t("history.oldest_first")], ["name asc", t("history.by_name")]];
  return select(t("history.order"), choices, `${sort} ${order}`, ({ target }) => sortBy(...target.value.split(" ")));
}

function filters(model, filter, changed) {
  const listed = (label, name, choices) => select(label, [["", t("words.any")], ...choices], filter[name], ({ target }) => changed(name, target.value));
  const named = (kind, names) => names.map((name) => [name, t(`history.${kind}_${name}`)]);
  const dated = (label, name) => el("label", { class: "field long" }, el("span", {}, label),
    el("input", { type: "datetime-local", value: inputTime(filter[name]), onchange: ({ target }) => changed(name, target.value && new Date(target.value).toISOString()) }));
  const categories = model.categories ?? [];
  return filterPanel(Object.values(filter).some(Boolean),
    listed(t("history.decision"), "decision", named("is", DECISIONS)),
    listed(t("history.feedback"), "feedback", named("said", OPINIONS)),
    listed(t("history.source"), "source", named("from", SOURCES)),
    categories.length > 1 && listed(t("history.category"), "category", categories.map((name) => [name, name])),
    dated(t("history.from"), "since"),
    dated(t("history.until"), "until"),
    el("label", { class: "field long" }, el("span", {}, t("history.name")), el("input", { type: "search", value: filter.name, onchange: ({ target }) => changed("name", target.value.trim()) })));
}

/** A moment as the field for it wants it: in this reader's time zone, without saying so. */
function inputTime(iso) {
  if (!iso) return "";
  const at = new Date(iso);
  return new Date(at - 60_000 * at.getTimezoneOffset()).toISOString().slice(0, 16);
}

function nothing(filter) {
  if (Object.values(filter).some(Boolean)) return empty(t("history.none_fits"), t("history.loosen"));
  return empty(t("history.nothing"), pieces("history.nothing_why", { inspect: el("a", { href: "#/inspect" }, t("page.inspect")) }));
}
