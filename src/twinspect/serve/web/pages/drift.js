/** Drift: do the images of today look like those that the threshold rests on? */

import { get } from "../api.js";
import { responsive } from "../chart.js";
import { el, empty, facts, select } from "../dom.js";
import { icon } from "../icons.js";
import { attempt } from "../notice.js";
import { series } from "../series.js";
import { chance, count, number, percent, span, when } from "../words.js";

const SIZES = [["20", "20 images"], ["50", "50 images"], ["100", "100 images"], ["200", "200 images"]];
const USUAL = "50";

/** What is tested beside the looks of the images, by the name that alarms have. */
const SCORE = "score";
const ANOMALIES = "anomalies";

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
  const size = select("Window", SIZES, USUAL, ({ target }) => attempt(root, () => show(target.value)));
  root.append(el("div", { class: "row" }, el("h1", { class: "grow" }, "Drift"), size), place);
  await attempt(root, () => show(USUAL));
}

function content(answer, signal) {
  const { windows, note, window: size, not_inspectable: apart } = answer;
  if (!windows.length) return [empty("No window is full yet", `Drift is judged on ${size} images at a time, against those of calibration. Score some more, or choose a smaller window.`), apart > 0 && el("p", {}, unfit(apart)), note && el("p", { class: "soft" }, note)].filter(Boolean);
  return [summary(answer), el("div", { class: "charts" }, charts(answer, signal)), numbers(answer)];
}

/** What happened, in sentences, with how often the test cries wolf. */
function summary({ windows, false_alarm_rate: rate, reference, note, not_inspectable: apart }) {
  const alarms = windows.filter(({ alarmed }) => alarmed.length).length;
  const last = windows.at(-1);
  const quiet = !last.alarmed.length;
  const verdict = quiet ? "The latest window looks like the calibration images." : "The latest window does not look like the calibration images.";
  return el("section", { class: `sheet summary ${quiet ? "good" : "anomalous"}`, role: "status" },
    el("p", { class: "verdict" }, icon(quiet ? "check" : "alert"), verdict),
    !quiet && el("ul", {}, last.words.map((words) => el("li", {}, words))),
    el("p", {}, `${alarms} of ${count(windows.length, "window")} raised an alarm. If nothing had changed, at most ${percent(rate)} of windows would, by chance alone.`),
    facts([
      ["Latest window", `${span(last.from, last.to)}, ${count(last.count, "image")}`],
      ["p-value", chance(last.p_value)],
      ["Compared with", count(reference.count, "calibration image")],
    ]),
    apart > 0 && el("p", {}, unfit(apart)),
    note && el("p", { class: "soft" }, note));
}

const unfit = (apart) => `${count(apart, "image")} of this time could not be inspected and ${apart === 1 ? "is" : "are"} in no window: look at lamp, exposure and focus.`;

function charts({ windows, features, reference }, signal) {
  const each = (name, of, written = number) => chart({ name, written, usual: reference.medians[name], points: pointsOf(windows, name, of) }, signal);
  return [
    each(SCORE, (window) => window.score),
    each(ANOMALIES, ({ anomaly_share: median, anomaly_p_value: p }) => ({ median, p_value: p }), percent),
    ...looksOf(features).map((name) => each(name, ({ looks }) => looks[name])),
  ];
}

const looksOf = (features) => features.filter((name) => name !== SCORE);

function pointsOf(windows, name, of) {
  const points = windows.map((window) => ({ from: window.from, to: window.to, alarmed: window.alarmed.includes(name), ...of(window) }));
  return points.filter(({ median }) => Number.isFinite(median));
}

function chart({ name, points, usual, written }, signal) {
  if (!points.length) return null;
  const alarms = points.filter(({ alarmed }) => alarmed).length;
  const label = `${titled(name)} over ${count(points.length, "window")}, ${count(alarms, "alarm")}, latest ${written(points.at(-1).median)}`;
  const picture = responsive((width) => series({ width, points, reference: usual, label, written }), signal);
  const told = alarms ? el("span", { class: "badge anomalous" }, icon("alert"), count(alarms, "alarm")) : el("span", { class: "soft" }, "no alarm");
  return el("figure", { class: "sheet" }, el("figcaption", {}, el("b", {}, titled(name)), told), picture.element);
}

/** The same as a table, for those who cannot see the charts or want the numbers. */
function numbers({ windows, features }) {
  const looks = looksOf(features);
  const head = ["Window", "Images", "Anomalous", "Score", ...looks.map(titled), "p-value", "Alarm"].map((word) => el("th", { scope: "col" }, word));
  const cells = ({ count: many, anomaly_share: share, score, looks: own, p_value: p }) =>
    [many, share === null ? "–" : percent(share), number(score?.median), ...looks.map((name) => number(own[name]?.median)), chance(p)];
  const rows = windows.toReversed().map((window) => el("tr", {},
    el("th", { scope: "row" }, when(window.from)),
    cells(window).map((value) => el("td", { class: "digits" }, String(value))),
    el("td", {}, window.alarmed.map(titled).join(", ") || "–")));
  const table = el("table", { class: "sheet rows wide" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows));
  return el("details", {}, el("summary", {}, "The numbers"), el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Windows in numbers" }, table));
}

const NAMES = { [ANOMALIES]: "Share called anomalous", [SCORE]: "Score, median" };
const titled = (name) => NAMES[name] ?? name.replaceAll("_", " ").replace(/^./, (first) => first.toUpperCase());
