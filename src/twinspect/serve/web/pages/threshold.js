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
import { view } from "../viewer.js";
import { count, number, percent, sentence } from "../words.js";
import { records } from "./records.js";

/** Milliseconds without a move before the server is asked. */
const QUIET = 250;
const MOST_LOOKED_AT = 50;
const USES = [
  ["calibration", "the images it is ranked against now"],
  ["confirmed+calibration", "those and the images marked good"],
  ["confirmed", "only the images marked good"],
];

/** @param {{root: HTMLElement, model: object, signal: AbortSignal, refresh: () => void}} context */
export async function threshold({ root, model, signal, refresh }) {
  root.append(el("h1", {}, "Threshold"), promised(model), wouldFind(model));
  const scores = await get(`/v1/models/${encodeURIComponent(model.name)}/scores`, {}, signal);
  const place = el("section", { class: "sheet", "aria-labelledby": "line" });
  root.append(place);
  whatIf({ place, model, scores, signal, refresh });
  const list = el("section", { "aria-labelledby": "records" });
  root.append(list);
  await records({ root: list, model, signal, refresh });
}

function promised({ calibration: { promise, threshold: line }, categories }) {
  return el("p", { class: "lead" }, `${sentence(promise)} `,
    el("span", { class: "soft" }, `A part is called anomalous when its score is above ${number(line)}.`),
    categories?.length > 1 && el("span", { class: "soft" }, " A category with images enough has a line of its own; this one is that of all images."));
}

/** Which synthetic defects it would find, and a plain warning where that is next to nothing. */
function wouldFind({ would_find: words, usable }) {
  return el("div", {},
    usable === false && el("p", { class: "problem" }, "Not usable yet: it finds 9 of 10 synthetic defects of no kind, however large. Train at a larger size, longer, or with another method."),
    words && el("p", { class: "soft" }, sentence(words)));
}

function groupsOf({ calibration, recent, good, defect }) {
  return [
    { name: "Calibration (good)", kind: "calibration", scores: calibration },
    { name: "Recent", kind: "recent", scores: recent },
    { name: "Marked good", kind: "good", scores: good },
    { name: "Marked defect", kind: "defect", scores: defect },
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
  const use = select("Rank against", USES, "calibration", () => moved());
  const apply = el("button", { type: "button", class: "main", disabled: true, "aria-describedby": "may-apply", onclick: () => attempt(place, change) }, "Apply as a new record …");
  const reset = el("button", { type: "button", onclick: () => go(inForce) }, "Back to the rate in force");
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
    const words = `${percent(rate())} false alarms`;
    slider.setAttribute("aria-valuetext", `at most ${words}, threshold ${number(line())}`);
    shown.textContent = `at most ${words}`;
    apply.disabled = isInForce() || !may("admin");
    reset.disabled = k() === inForce;
    chart.redraw();
    asked.abort();
    asked = new AbortController();
    attempt(place, () => ask(AbortSignal.any([signal, asked.signal])));
  }
  async function ask(until) {
    if (isInForce()) {
      outcome.replaceChildren(el("p", { class: "soft" }, "This is the rate in force. Move the line or the slider to see what another would change; nothing changes until you apply it."));
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
    const sentence = `At most ${percent(rate())} false alarms, ranked against ${USES.find(([key]) => key === used())[1]}. This adds a record; the old one is kept and can be brought back.`;
    const reason = await askReason("Apply a new calibration record", sentence, "Apply");
    if (!reason) return;
    await post(`${path}/recalibrate`, { use: used(), false_alarm_rate: rate(), reason, dry_run: false }, signal);
    say("A new calibration record is in force.");
    await refresh();
  }

  slider.addEventListener("input", moved);
  place.append(
    el("h2", { id: "line" }, "What if?"),
    el("div", { class: "row rate" }, el("label", { class: "field grow", for: "rate" }, el("span", {}, "False-alarm rate"), slider), shown),
    chart.element,
    el("p", { class: "soft legend" }, "Drag the line, or move the slider with the arrow keys. Dashed: the threshold in force."),
    outcome,
    el("div", { class: "row" }, use, el("div", { class: "row end grow" }, reset, apply)),
    el("p", { class: "soft", id: "may-apply", hidden: may("admin") }, whyNot("admin", "Applying a new record")));
  moved();
}

/** What the server says that a rate would change. */
function told(answer, scores, onlook) {
  const { changed, anomalous_recent: now, false_alarms_among_confirmed_good: alarms, missed_among_confirmed_defects: missed } = answer;
  return [
    el("dl", { class: "cards" },
      card("Decisions that change", String(changed.length), changed.length ? "among recent images" : "none among recent images"),
      card("Anomalous", `${now} of ${answer.recent}`, "recent images"),
      card("False alarms", `${alarms} of ${scores.good.length}`, "images marked good", alarms > 0),
      card("Missed", `${missed} of ${scores.defect.length}`, "images marked defect", missed > 0)),
    looking(changed, onlook),
  ];
}

function looking(ids, onlook) {
  const words = ids.length === 1 ? "it" : ids.length > MOST_LOOKED_AT ? `${MOST_LOOKED_AT} of them` : "them";
  const open = () => onlook(ids.slice(0, MOST_LOOKED_AT));
  return ids.length > 0 && el("div", { class: "row" }, el("button", { type: "button", onclick: open }, `Look at ${words}`));
}

function card(term, value, note, poor = false) {
  return el("div", { class: poor ? "poor" : null }, el("dt", {}, term), el("dd", {}, el("b", {}, poor && icon("alert"), value), el("small", {}, note)));
}

/** What the server proposes from other good images. */
function proposal({ calibration, images, changed, recent, to_anomalous: flagged, to_good: freed, warnings }, onlook) {
  const { false_alarm_rate: rate, threshold: line } = calibration;
  return [
    el("p", {}, `From ${count(images, "good image")}: at most ${percent(rate)} false alarms, threshold ${number(line)}. ${changed} of ${count(recent, "recent decision")} would change.`),
    ...warnings.map((words) => el("p", { class: "warning" }, words)),
    looking([...flagged, ...freed], onlook),
  ];
}
