/** History: everything scored so far, filtered, page by page, and as a table for a spreadsheet. */

import { get, query } from "../api.js";
import { el, empty, select } from "../dom.js";
import { badge } from "../icons.js";
import { attempt, say } from "../notice.js";
import { download, loadWhenSeen } from "../pictures.js";
import { view } from "../viewer.js";
import { chance, count, disagrees, number, when } from "../words.js";

const ROWS = 25;
const DECISIONS = [["", "any"], ["anomalous", "anomalous"], ["good", "good"], ["not_inspectable", "not inspectable"], ["failed", "not scored"]];
const SOURCES = [["", "any"], ["web", "this page"], ["watch", "a watched folder or camera"], ["api", "another program"]];
const OPINIONS = [["", "any"], ["none", "not yet"], ["good", "good"], ["defect", "defect"], ["unsure", "unsure"], ["disagree", "contradicts the model"]];

/** @param {{root: HTMLElement, model: object, signal: AbortSignal}} context */
export async function history({ root, model, signal }) {
  const filter = { model: model.name };
  const before = []; // where the pages before this one began, so that "Newer" can go back
  const list = el("div", { class: "list", "aria-live": "polite" });
  const newer = el("button", { type: "button", onclick: () => turn(() => before.pop()) }, "← Newer");
  const older = el("button", { type: "button" }, "Older →");
  const total = el("p", { class: "soft" });

  /** After a look at an image: what was said of it is shown, and the focus is where it was. */
  async function back(id) {
    await attempt(root, show);
    list.querySelector(`[data-id="${id}"]`)?.focus();
  }
  function turn(change) {
    change();
    return attempt(root, show);
  }
  async function show() {
    const { inspections, next, total: all } = await get("/v1/inspections", { ...filter, after: before.at(-1), limit: ROWS }, signal);
    list.replaceChildren(inspections.length ? table(inspections, back) : nothing(filter));
    const first = before.length * ROWS + 1;
    total.textContent = inspections.length ? `${first} to ${first + inspections.length - 1} of ${count(all, "image")}` : "";
    newer.disabled = !before.length;
    older.disabled = !next;
    older.onclick = () => turn(() => before.push(next));
  }
  function changed(name, value) {
    before.length = 0;
    filter[name] = value;
    return attempt(root, show);
  }
  async function save() {
    const path = `/v1/inspections${query({ ...filter, format: "csv" })}`;
    await attempt(root, () => download(path, `${model.name} inspections.csv`, { headers: { Accept: "text/csv" }, signal }));
    say("The table has been saved.");
  }

  root.append(
    el("div", { class: "row" }, el("h1", { class: "grow" }, "History"), el("button", { type: "button", onclick: save }, "Export CSV")),
    filters(model, changed),
    list,
    el("div", { class: "row end" }, total, newer, older),
  );
  await attempt(root, show);
}

function filters(model, changed) {
  const listed = (label, name, choices) => select(label, choices, "", ({ target }) => changed(name, target.value));
  const dated = (label, name) => el("label", { class: "field long" }, el("span", {}, label),
    el("input", { type: "datetime-local", onchange: ({ target }) => changed(name, target.value && new Date(target.value).toISOString()) }));
  const categories = model.categories ?? [];
  return el("div", { class: "filters sheet", role: "search", "aria-label": "Filter" },
    listed("Decision", "decision", DECISIONS),
    listed("Feedback", "feedback", OPINIONS),
    listed("Source", "source", SOURCES),
    categories.length > 1 && listed("Category", "category", [["", "any"], ...categories.map((name) => [name, name])]),
    dated("Since", "since"),
    dated("Until", "until"),
    el("label", { class: "field long" }, el("span", {}, "Name contains"), el("input", { type: "search", onchange: ({ target }) => changed("name", target.value.trim()) })));
}

function table(inspections, refresh) {
  const head = ["Image", "Decision", "Score", "p-value", "Feedback", "Received"].map((word) => el("th", { scope: "col" }, word));
  const rows = inspections.map((inspection, index) => {
    const name = el("button", { type: "button", class: "link name", "data-id": inspection.id, onclick: () => view(inspections, index).then(() => refresh(inspection.id)) }, inspection.name);
    const picture = inspection.image?.url && loadWhenSeen(el("img", { alt: "", class: "mini" }), `/v1/inspections/${inspection.id}/thumbnail`);
    return el("tr", {},
      el("th", { scope: "row" }, el("div", { class: "with-picture" }, picture || el("span", { class: "mini missing" }), name)),
      el("td", { class: "plain", "data-head": "Decision" }, badge(inspection)),
      el("td", { class: "digits", "data-head": "Score" }, number(inspection.score)),
      el("td", { class: "digits", "data-head": "p-value" }, chance(inspection.p_value)),
      el("td", { class: inspection.feedback ? null : "none", "data-head": "Feedback" }, opinion(inspection)),
      el("td", { class: "plain", "data-head": "Received" }, when(inspection.accepted_at)));
  });
  return el("table", { class: "sheet rows" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows));
}

function opinion(inspection) {
  const said = inspection.feedback?.verdict;
  if (!said) return el("span", { class: "soft" }, "–");
  return disagrees(inspection) ? el("strong", {}, `${said}, contradicts`) : said;
}

function nothing(filter) {
  const filtered = Object.entries(filter).some(([name, value]) => name !== "model" && value);
  if (filtered) return empty("No image fits", "Loosen the filters above.");
  return empty("Nothing has been scored yet", "Drop images on the ", el("a", { href: "#/inspect" }, "Inspect"), " page, or let a folder be watched: they are listed here.");
}
