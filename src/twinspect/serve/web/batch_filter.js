/** Which images of a batch are shown, and in which order. */

import { el, select } from "./dom.js";
import { filterPanel } from "./filter_panel.js";
import { t } from "./text.js";
import { OPINIONS, disagrees, verdict } from "./words.js";

/** What no filter hides. */
const ANY = { order: "given", result: "", judged: "", name: "" };
const RESULTS = ["anomalous", "good", "not_inspectable", "failed"];
const ORDERS = {
  given: () => 0,
  worst: (one, other) => badness(other) - badness(one),
  newest: (one, other) => (other.id ?? 0) - (one.id ?? 0),
};
const JUDGED = { none: ({ feedback }) => !feedback, disagree: disagrees };

/** How far above its threshold; what has no score comes last. */
function badness({ score, threshold }) {
  if (score === null || score === undefined) return -Infinity;
  return threshold > 0 ? score / threshold : 1 + score - threshold;
}

/**
 * @param {(chosen: object) => void} changed is told of every change
 * @returns {{element: HTMLElement, apply: (inspections: object[]) => object[]}}
 */
export function batchFilter(changed) {
  const chosen = { ...ANY };
  const set = (name) => ({ target }) => {
    chosen[name] = target.value.trim();
    changed(chosen);
  };
  const any = ["", t("words.any")];
  const element = filterPanel(false,
    select(t("inspect.order"), [["given", t("inspect.as_given")], ["worst", t("inspect.worst_first")], ["newest", t("inspect.newest_first")]], chosen.order, set("order")),
    select(t("inspect.result"), [any, ...RESULTS.map((name) => [name, t(`verdict.${name}`)])], "", set("result")),
    select(t("inspect.judged"), [any, ["none", t("inspect.unjudged")], ...OPINIONS.map(({ value, word }) => [value, word]), ["disagree", t("inspect.contradicts")]], "", set("judged")),
    el("label", { class: "field" }, el("span", {}, t("inspect.name")), el("input", { type: "search", oninput: set("name") })));
  return { element, apply: (inspections) => inspections.filter((each) => fits(each, chosen)).sort(ORDERS[chosen.order]) };
}

function fits(inspection, { result, judged, name }) {
  const shown = verdict(inspection.id ? inspection : { state: "failed" }).word;
  const isJudged = JUDGED[judged] ?? (({ feedback }) => feedback?.verdict === judged);
  return (!result || shown === t(`verdict.${result}`)) && (!judged || isJudged(inspection)) && inspection.name.toLowerCase().includes(name.toLowerCase());
}
