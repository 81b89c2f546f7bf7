/** Drift: do the images of today look like those that the threshold rests on? */

import { get } from "../api.js";
import { responsive } from "../chart.js";
import { el, empty, facts, select } from "../dom.js";
import { icon } from "../icons.js";
import { attempt } from "../notice.js";
import { series } from "../series.js";
import { chance, count, moment, number, percent, when } from "../words.js";

const SIZES = [["20", "20 images"], ["50", "50 images"], ["100", "100 images"], ["200", "200 images"]];

/** @param {{root: HTMLElement, model: object, signal: AbortSignal}} context */
export async function drift({ root, model, signal }) {
  const place = el("div", { class: "drift" });
  let drawn = new AbortController();

  async function show(window) {
    const answer = await get(`/v1/models/${encodeURIComponent(model.name)}/drift`, { window }, signal);
    drawn.abort();
    drawn = new AbortController();
    place.replaceChildren(...content(answer, AbortSignal.any([signal, drawn.signal])));
  }
  const size = select("Window", SIZES, "50", ({ target }) => attempt(root, () => show(target.value)));
  root.append(el("div", { class: "row" }, el("h1", { class: "grow" }, "Drift"), size), place);
  await attempt(root, () => show("50"));
}

function content(answer, signal) {
  const { windows, note, window: size } = answer;
  if (!windows.length) {
    return [empty("No window is full yet", `Drift is judged on ${size} images at a time, against those of calibration. Score some more, or choose a smaller window.`), note && el("p", { class: "soft" }, note)];
  }
  return [
    summary(answer),
    el("div", { class: "charts" },
      chart("score", ({ score }) => score, answer, signal),
      chart("share called anomalous", ({ anomaly_share: median }) => ({ median }), answer, signal, percent),
      answer.features.map((name) => chart(name, ({ looks }) => looks?.[name], answer, signal))),
    numbers(answer),
  ];
}

/** What happened, in sentences, with how often the test cries wolf. */
function summary({ windows, false_alarm_rate: rate, reference, note }) {
  const alarms = windows.filter(({ alarmed }) => alarmed.length);
  const last = windows.at(-1);
  const quiet = !last.alarmed.length;
  const verdict = quiet ? "The latest window looks like the calibration images." : `The latest window does not look like the calibration images: ${last.alarmed.map(plain).join(", ")}.`;
  return el("section", { class: `sheet summary ${quiet ? "good" : "anomalous"}`, role: "status" },
    el("p", { class: "verdict" }, icon(quiet ? "check" : "alert"), verdict),
    el("p", {}, `${alarms.length} of ${count(windows.length, "window")} raised an alarm. If nothing had changed, ${percent(rate)} of windows would, by chance alone.`),
    facts([["Latest window", `${moment(last.from)} to ${moment(last.to)}, ${count(last.count, "image")}`], ["p-value", chance(last.p_value)], ["Compared with", count(reference.count, "calibration image")]]),
    note && el("p", { class: "soft" }, note));
}

function chart(name, of, { windows, reference }, signal, written = number) {
  const points = windows
    .map((window) => ({ from: window.from, to: window.to, alarmed: window.alarmed.includes(name), ...of(window) }))
    .filter(({ median }) => Number.isFinite(median));
  if (!points.length) return null;
  const alarms = points.filter(({ alarmed }) => alarmed).length;
  const usual = reference.medians?.[name];
  const label = `${titled(name)} over ${count(points.length, "window")}, ${count(alarms, "alarm")}, latest ${written(points.at(-1).median)}`;
  const picture = responsive((width) => series({ width, points, reference: usual, label, written }), signal);
  return el("figure", { class: "sheet" },
    el("figcaption", {}, el("b", {}, titled(name)), tested(points, alarms)),
    picture.element);
}

/** What the test says, where there is one. */
function tested(points, alarms) {
  if (alarms) return el("span", { class: "badge anomalous" }, icon("alert"), count(alarms, "alarm"));
  return Number.isFinite(points[0].p_value) && el("span", { class: "soft" }, "no alarm");
}

/** The same as a table, for those who cannot see the charts or want the numbers. */
function numbers({ windows, features }) {
  const head = ["Window", "Images", "Anomalous", "Score", ...features.map(titled), "p-value", "Alarm"].map((word) => el("th", { scope: "col" }, word));
  const rows = windows.toReversed().map((window) => el("tr", {},
    el("th", { scope: "row" }, when(window.from)),
    [String(window.count), percent(window.anomaly_share), number(window.score.median), ...features.map((name) => number(window.looks?.[name]?.median)), chance(window.p_value)].map((value) => el("td", { class: "digits" }, value)),
    el("td", {}, window.alarmed.map(plain).join(", ") || "–")));
  return el("details", {}, el("summary", {}, "The numbers"),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Windows in numbers" }, el("table", { class: "sheet rows wide" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows))));
}

const plain = (name) => name.replaceAll("_", " ");
const titled = (name) => plain(name).replace(/^./, (first) => first.toUpperCase());
