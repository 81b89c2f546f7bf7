/** Threshold: where the line runs, what another false-alarm rate would change, and the records of every line so far. */

import { get, pause, post } from "../api.js";
import { responsive } from "../chart.js";
import { askReason } from "../dialog.js";
import { el, select } from "../dom.js";
import { histogram } from "../histogram.js";
import { icon } from "../icons.js";
import { may, whyNot } from "../me.js";
import { attempt, say } from "../notice.js";
import { aboveAt, mostAbove, nearest, rateOf, thresholdOf } from "../promise.js";
import { pieces, t } from "../text.js";
import { view } from "../viewer.js";
import { count, number, percent, sentence } from "../words.js";
import { records } from "./records.js";

/** Milliseconds without a move before the server is asked. */
const QUIET = 250;
const MOST_LOOKED_AT = 50;
/** Promises that people ask for. */
const TIGHTER = [0.05, 0.01, 0.001];
const USES = [
  ["calibration", t("threshold.use_calibration")],
  ["confirmed+calibration", t("threshold.use_both")],
  ["confirmed", t("threshold.use_confirmed")],
];

/** @param {{root: HTMLElement, model: object, signal: AbortSignal, refresh: () => void}} context */
export async function threshold({ root, model, signal, refresh }) {
  root.append(el("h1", {}, t("page.threshold")), promised(model), wouldFind(model));
  const scores = await get(`/v1/models/${encodeURIComponent(model.name)}/scores`, {}, signal);
  const place = el("section", { class: "sheet", "aria-labelledby": "line" });
  root.append(place);
  whatIf({ place, model, scores, signal, refresh });
  root.append(tighter(model, scores));
  const list = el("section", { "aria-labelledby": "records" });
  root.append(list);
  await records({ root: list, model, signal, refresh });
}

function promised({ calibration: { promise, threshold: line }, categories }) {
  return el("p", { class: "lead" }, `${sentence(promise)} `,
    el("span", { class: "soft" }, t("threshold.above", { line: number(line) })),
    categories?.length > 1 && el("span", { class: "soft" }, ` ${t("threshold.by_category")}`));
}

/** Which synthetic defects it would find, and a plain warning where that is next to nothing. */
function wouldFind({ would_find: words, usable }) {
  return el("div", {},
    usable === false && el("p", { class: "problem" }, t("threshold.not_usable")),
    words && el("p", { class: "soft" }, sentence(words)));
}

function groupsOf({ calibration, recent, good, defect }) {
  return [
    { name: t("threshold.group_calibration"), kind: "calibration", scores: calibration },
    { name: t("threshold.group_recent"), kind: "recent", scores: recent },
    { name: t("threshold.group_good"), kind: "good", scores: good },
    { name: t("threshold.group_defect"), kind: "defect", scores: defect },
  ];
}

function whatIf({ place, model, scores, signal, refresh }) {
  const path = `/v1/models/${encodeURIComponent(model.name)}`;
  const ascending = [...scores.calibration].sort((a, b) => a - b);
  const inForce = aboveAt(model.calibration.false_alarm_rate, ascending.length);
  const groups = groupsOf(scores);
  const slider = el("input", { type: "range", id: "rate", min: "1", max: String(mostAbove(ascending.length)), step: "1", value: String(inForce) });
  const shown = el("output", { for: "rate", class: "big" });
  const outcome = el("div", { class: "outcome", "aria-live": "polite" });
  const use = select(t("threshold.rank"), USES, "calibration", () => moved());
  const apply = el("button", { type: "button", class: "main", disabled: true, "aria-describedby": "may-apply", onclick: () => attempt(place, change) }, t("threshold.apply"));
  const reset = el("button", { type: "button", onclick: () => go(inForce) }, t("threshold.reset"));
  const chart = responsive((width) => histogram({ width, groups, threshold: line(), now: model.calibration.threshold }, (score) => go(nearest(score, ascending))), signal);
  let asked = new AbortController();

  const k = () => Number(slider.value);
  const rate = () => (k() === inForce ? model.calibration.false_alarm_rate : rateOf(k(), ascending.length));
  const line = () => (k() === inForce ? model.calibration.threshold : thresholdOf(k(), ascending));
  const isInForce = () => k() === inForce && used() === "calibration";
  const used = () => use.querySelector("select").value;
  function go(value) {
    slider.value = String(value);
    moved();
  }
  function moved() {
    slider.setAttribute("aria-valuetext", t("threshold.spoken", { rate: percent(rate()), line: number(line()) }));
    shown.textContent = t("threshold.alarms", { rate: percent(rate()) });
    apply.disabled = isInForce() || !may("admin");
    reset.disabled = k() === inForce;
    chart.redraw();
    asked.abort();
    asked = new AbortController();
    attempt(place, () => ask(AbortSignal.any([signal, asked.signal])));
  }
  async function ask(until) {
    if (isInForce()) {
      outcome.replaceChildren(el("p", { class: "soft" }, t("threshold.in_force")));
      return;
    }
    await pause(QUIET, until);
    const parts = used() === "calibration" ? await previewed(until) : await proposed(until);
    outcome.replaceChildren(...parts.filter(Boolean));
  }
  async function previewed(until) {
    const answer = await get(`${path}/whatif`, { rate: rate() }, until);
    return told(answer, scores, look);
  }
  async function proposed(until) {
    const body = { use: used(), false_alarm_rate: rate(), reason: "", dry_run: true };
    return proposal((await post(`${path}/recalibrate`, body, until)).proposal, look);
  }
  function look(ids) {
    return attempt(place, async () => view(await Promise.all(ids.map((id) => get(`/v1/inspections/${id}`, {}, signal))), 0));
  }
  async function change() {
    const explanation = t("threshold.apply_why", { rate: percent(rate()), images: USES.find(([key]) => key === used())[1] });
    const reason = await askReason(t("threshold.apply_title"), explanation, t("threshold.apply_yes"));
    if (!reason) return;
    await post(`${path}/recalibrate`, { use: used(), false_alarm_rate: rate(), reason, dry_run: false }, signal);
    say(t("threshold.applied"));
    await refresh();
  }

  slider.addEventListener("input", moved);
  place.append(
    el("h2", { id: "line" }, t("threshold.what_if")),
    el("div", { class: "row rate" }, el("label", { class: "field grow", for: "rate" }, el("span", { title: t("term.rate_means") }, t("term.rate")), slider), shown),
    chart.element,
    el("p", { class: "soft legend" }, t("threshold.legend"), ` ${t("term.rate")}: ${t("term.rate_means")}`),
    outcome,
    el("div", { class: "row" }, use, el("div", { class: "row end grow" }, reset, apply)),
    el("p", { class: "soft", id: "may-apply", hidden: may("admin") }, whyNot("admin", "apply")));
  moved();
}

/** How many more good images a tighter promise takes: k of n held-out images above the line promise k / (n + 1). */
function tighter({ calibration: { images } }, { good }) {
  const rows = TIGHTER.map((rate) => [rate, Math.ceil(1 / rate - 1e-9) - 1]).map(([rate, needed]) => el("tr", {},
    el("th", { scope: "row" }, t("threshold.alarms", { rate: percent(rate) })),
    el("td", { class: "digits", "data-head": t("threshold.takes_images") }, String(needed)),
    el("td", { class: "digits", "data-head": t("threshold.takes_more") }, needed > images ? el("b", {}, String(needed - images)) : t("threshold.enough"))));
  const head = ["threshold.takes", "threshold.takes_images", "threshold.takes_more"].map((key) => el("th", { scope: "col" }, t(key)));
  return el("section", { "aria-labelledby": "tighter" },
    el("h2", { id: "tighter" }, t("threshold.better")),
    el("p", { class: "soft" }, t("threshold.kept_now", { images: count(images, "good_images"), rate: percent(1 / (images + 1)) })),
    el("table", { class: "sheet rows" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows)),
    el("p", { class: "soft" }, pieces("threshold.how_more", { feedback: el("a", { href: "#/feedback" }, t("page.feedback")), n: good.length })));
}

/** What the server says that a rate would change. */
function told(answer, scores, onlook) {
  const { changed, anomalous_recent: now, false_alarms_among_confirmed_good: alarms, missed_among_confirmed_defects: missed } = answer;
  return [
    el("dl", { class: "cards" },
      card(t("threshold.changed"), String(changed.length), changed.length ? t("threshold.among_recent") : t("threshold.none_recent")),
      card(t("threshold.anomalous"), t("words.of", { n: now, all: answer.recent }), t("threshold.recent_images")),
      card(t("threshold.false_alarms"), t("words.of", { n: alarms, all: scores.good.length }), t("threshold.marked_good"), alarms > 0),
      card(t("threshold.missed"), t("words.of", { n: missed, all: scores.defect.length }), t("threshold.marked_defect"), missed > 0)),
    looking(changed, onlook),
  ];
}

function looking(ids, onlook) {
  const words = ids.length === 1 ? t("threshold.look_one") : ids.length > MOST_LOOKED_AT ? t("threshold.look_some", { n: MOST_LOOKED_AT }) : t("threshold.look_all");
  const open = () => onlook(ids.slice(0, MOST_LOOKED_AT));
  return ids.length > 0 && el("div", { class: "row" }, el("button", { type: "button", onclick: open }, words));
}

function card(term, value, note, poor = false) {
  return el("div", { class: poor ? "poor" : null }, el("dt", {}, term), el("dd", {}, el("b", {}, poor && icon("alert"), value), el("small", {}, note)));
}

/** What the server proposes from other good images. */
function proposal({ calibration, images, changed, recent, to_anomalous: flagged, to_good: freed, warnings }, onlook) {
  const { false_alarm_rate: rate, threshold: line } = calibration;
  return [
    el("p", {}, t("threshold.proposal", { images: count(images, "good_images"), rate: percent(rate), line: number(line), changed, recent })),
    ...warnings.map((words) => el("p", { class: "warning" }, words)),
    looking([...flagged, ...freed], onlook),
  ];
}
