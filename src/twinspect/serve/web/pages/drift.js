/** Drift: do the images of today look like those that the threshold rests on? */

import { get } from "../api.js";
import { responsive } from "../chart.js";
import { el, empty, facts, select } from "../dom.js";
import { icon } from "../icons.js";
import { attempt } from "../notice.js";
import { series } from "../series.js";
import { named, pieces, t } from "../text.js";
import { chance, count, number, percent, span, when } from "../words.js";

const SIZES = [20, 50, 100, 200].map((many) => [String(many), count(many, "images")]);
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
  const size = select(t("drift.window"), SIZES, USUAL, ({ target }) => attempt(root, () => show(target.value)));
  root.append(el("div", { class: "row" }, el("h1", { class: "grow" }, t("page.drift")), size), el("p", { class: "lead soft" }, t("term.drift_means")), place);
  await attempt(root, () => show(USUAL));
}

function content(answer, signal) {
  const { windows, note, window: size, not_inspectable: apart } = answer;
  if (!windows.length) return [empty(t("drift.none_full"), t("drift.none_full_why", { size })), apart > 0 && el("p", {}, unfit(apart)), note && el("p", { class: "soft" }, note)].filter(Boolean);
  return [summary(answer), el("div", { class: "charts" }, charts(answer, signal)), numbers(answer)];
}

/** The verdict on all windows: how the sheet looks, and the sentence that the cards below agree with. */
const VERDICTS = {
  alarm: { kind: "anomalous", symbol: "alert", says: ({ windows, since }) => pieces("drift.is_alarm", { when: when(windows.find(({ first }) => first === since).from) }) },
  earlier: { kind: "good", symbol: "check", says: ({ windows }) => t("drift.is_earlier", { n: alarmsOf(windows).length }) },
  quiet: { kind: "good", symbol: "check", says: ({ windows }) => t("drift.is_quiet", { n: windows.length }) },
  untested: { kind: "unknown", symbol: "question", says: () => t("drift.is_untested") },
};

const alarmsOf = (windows) => windows.filter(({ alarmed }) => alarmed.length);

/** What happened, in sentences; how large a change would have been noticed; and how often the test cries wolf. */
function summary({ windows, false_alarm_rate: rate, reference, note, verdict, not_inspectable: apart }) {
  const last = windows.at(-1);
  const { kind, symbol, says } = VERDICTS[verdict.state];
  return el("section", { class: `sheet summary ${kind}`, role: "status" },
    el("p", { class: "verdict" }, icon(symbol), el("span", {}, says({ windows, since: verdict.since }))),
    verdict.state === "alarm" && el("ul", {}, last.words.map((words) => el("li", {}, words))),
    el("p", {}, noticeable(last)),
    el("p", {}, t("drift.alarms", { alarms: alarmsOf(windows).length, windows: count(windows.length, "windows"), rate: percent(rate) })),
    facts([
      [t("drift.latest"), `${span(last.from, last.to)}, ${count(last.count, "images")}`],
      [el("abbr", { title: t("drift.p_value_means") }, t("term.p_value")), chance(last.p_value)],
      [t("drift.compared"), count(reference.count, "calibration_images")],
    ]),
    apart > 0 && el("p", {}, unfit(apart)),
    note && el("p", { class: "soft" }, note));
}

const unfit = (apart) => t("drift.unfit", { n: apart });

/** What the absence of an alarm is worth. */
function noticeable({ score, looks, anomaly_share_flagged: share }) {
  const bands = [score, ...Object.values(looks)].some((quantity) => isNoticed(quantity));
  const anomalous = share === null ? t("drift.no_share") : t("drift.share", { share: percent(share) });
  return t(bands ? "drift.notices" : "drift.notices_nothing", { share: anomalous });
}

const isNoticed = (quantity) => Number.isFinite(quantity?.noticeable);

function charts({ windows, features, reference }, signal) {
  const each = (name, of, written = number) => chart({ name, written, usual: reference.medians[name], points: pointsOf(windows, name, of) }, signal);
  return [
    each(SCORE, (window) => window.score),
    each(ANOMALIES, ({ anomaly_share: median, anomaly_p_value: p, anomaly_share_flagged: flagged }) => ({ median, p_value: p, flagged, is_tested: flagged !== null }), percent),
    ...looksOf(features).map((name) => each(name, ({ looks }) => looks[name])),
  ];
}

const looksOf = (features) => features.filter((name) => name !== SCORE);

function pointsOf(windows, name, of) {
  const points = windows.map((window) => {
    const quantity = of(window);
    return { from: window.from, to: window.to, alarmed: window.alarmed.includes(name), is_tested: isNoticed(quantity), ...quantity };
  });
  return points.filter(({ median }) => Number.isFinite(median));
}

function chart({ name, points, usual, written }, signal) {
  if (!points.length) return null;
  const label = t("drift.chart", { name: titled(name), windows: count(points.length, "windows"), state: state(points).word, value: written(points.at(-1).median) });
  const picture = responsive((width) => series({ width, points, reference: usual, band: bandOf(points.at(-1)), label, written }), signal);
  const { word, symbol } = state(points);
  const told = el("span", { class: symbol ? "badge anomalous" : "soft" }, symbol && icon(symbol), word);
  return el("figure", { class: "sheet" }, el("figcaption", {}, el("b", {}, titled(name)), told), picture.element);
}

/** Whether the latest window of a quantity alarms, one before it did, or its change could not have been noticed. */
function state(points) {
  const last = points.at(-1);
  const earlier = points.slice(0, -1).filter(({ alarmed }) => alarmed).length;
  if (last.alarmed) return { word: t("chart.alarm"), symbol: "alert" };
  if (earlier) return { word: t("drift.no_alarm_now", { n: earlier }) };
  return { word: last.is_tested ? t("drift.no_alarm") : t("drift.too_few") };
}

/** The values of the latest window that would not have been noticed. */
function bandOf({ reference, noticeable: shift, flagged }) {
  if (Number.isFinite(flagged)) return [0, flagged];
  return Number.isFinite(shift) ? [reference - shift, reference + shift] : null;
}

/** The same as a table, for those who cannot see the charts or want the numbers. */
function numbers({ windows, features }) {
  const looks = looksOf(features);
  const head = [t("drift.window"), t("drift.images"), t("drift.anomalous"), t("term.score"), ...looks.map(titled), t("term.p_value"), t("drift.alarm")].map((word) => el("th", { scope: "col" }, word));
  const cells = ({ count: many, anomaly_share: share, score, looks: own, p_value: p }) =>
    [many, share === null ? "–" : percent(share), number(score?.median), ...looks.map((name) => number(own[name]?.median)), chance(p)];
  const rows = windows.toReversed().map((window) => el("tr", {},
    el("th", { scope: "row" }, when(window.from)),
    cells(window).map((value) => el("td", { class: "digits" }, String(value))),
    el("td", {}, window.alarmed.map(titled).join(", ") || "–")));
  const table = el("table", { class: "sheet rows wide" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows));
  return el("details", {}, el("summary", {}, t("drift.numbers")), el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("drift.table") }, table));
}

const titled = (name) => named("quantity", name);
