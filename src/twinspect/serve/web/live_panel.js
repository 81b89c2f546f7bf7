/** A result in words that carry across a hall: the verdict, and why. */

import { el } from "./dom.js";
import { icon } from "./icons.js";
import { differenceWords, sizeOf } from "./regions.js";
import { t } from "./text.js";
import { number, sentence, verdict } from "./words.js";

const MOST_REGIONS = 3;
/** The share of the bar that is good: the threshold stands at its end, and twice the threshold fills the bar. */
const GOOD_SHARE = 50;

/** The verdict, large, and the reasons below it. */
export function verdictPanel(inspection) {
  const { kind, word, icon: name } = verdict(inspection);
  return [
    el("p", { class: `live-verdict ${kind}`, role: "status" }, el("span", { class: `shape ${kind}` }, icon(name)), el("span", {}, word)),
    el("p", { class: "name" }, inspection.name),
    el("h2", { class: "hidden" }, t("live.why")),
    ...reasons(inspection),
  ];
}

function reasons(inspection) {
  if (inspection.state !== "done") return [el("p", { class: "live-why" }, inspection.error)];
  if (inspection.not_inspectable) return [el("p", { class: "live-why" }, t("detail.unfit", { why: inspection.not_inspectable }))];
  return [bar(inspection), el("p", { class: "live-why" }, against(inspection)), found(inspection), inspection.notice && el("p", { class: "problem" }, sentence(inspection.notice))].filter(Boolean);
}

function against({ score, threshold }) {
  const values = { score: number(score), line: number(threshold) };
  return threshold > 0 ? t("live.times", { ...values, times: number(Number((score / threshold).toPrecision(2))) }) : t("live.score", values);
}

/** The score against the threshold; the words below say the same. */
function bar({ score, threshold, is_anomalous: flagged }) {
  if (!(threshold > 0)) return null;
  const share = Math.min(100, Math.max(2, GOOD_SHARE * (score / threshold)));
  const filled = el("span", { class: `filled ${flagged ? "anomalous" : "good"}` });
  filled.style.width = `${share}%`;
  return el("div", { class: "against", "aria-hidden": "true" }, filled, el("span", { class: "line" }));
}

function found({ regions, is_anomalous: flagged }) {
  if (!regions?.length) return el("p", { class: "soft" }, t(flagged ? "found.as_a_whole" : "live.no_reason"));
  const shown = regions.slice(0, MOST_REGIONS).map((region) => el("li", {}, region.words?.length ? t("live.region", { words: differenceWords(region.words), size: sizeOf(region) }) : sizeOf(region)));
  const rest = regions.length - shown.length;
  return el("ul", { class: "live-regions" }, shown, rest > 0 && el("li", {}, t("live.more_regions", { n: rest })));
}
