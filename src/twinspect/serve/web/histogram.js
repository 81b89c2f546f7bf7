/** Histograms one below the other on one axis of scores, and a line across them: the threshold, which can be dragged. */

import { axis, extent, linear } from "./chart.js";
import { svg } from "./dom.js";
import { t } from "./text.js";
import { count, number } from "./words.js";

const BINS = 48;
const ROW = 64;
const TOP = 26;
const BOTTOM = 44;
const SIDE = 12;

/**
 * @param {{width: number, groups: {name: string, kind: string, scores: number[]}[], threshold: number, now: number}} data
 *   `threshold` is the line that moves, `now` the one in force
 * @param {(score: number) => void} ondrag
 */
export function histogram({ width, groups, threshold, now }, ondrag) {
  const all = groups.flatMap(({ scores }) => scores).concat(threshold, now);
  const domain = extent(all);
  const x = linear(domain, [SIDE, width - SIDE]);
  const foot = TOP + groups.length * ROW;
  const rows = groups.map((group, place) => row(group, domain, x, TOP + (place + 1) * ROW, threshold, width));
  const chart = svg("svg", { class: "histogram", viewBox: `0 0 ${width} ${foot + BOTTOM}`, width, height: foot + BOTTOM, role: "img", "aria-label": told(groups, threshold) },
    rows, axis(domain, x, foot, t("chart.score_axis")),
    now === threshold ? null : svg("line", { class: "in-force", x1: x(now), x2: x(now), y1: TOP, y2: foot }),
    handle(x(threshold), foot, width), groups.map((group, place) => words(group, TOP + place * ROW, threshold, width)));
  drag(chart, (place) => ondrag(domain[0] + ((place * width - SIDE) / (width - 2 * SIDE)) * (domain[1] - domain[0])));
  return chart;
}

function row({ kind, scores }, domain, x, base, threshold, width) {
  const bins = counted(scores, domain);
  const height = linear([0, Math.max(1, ...bins)], [0, ROW - 24]);
  const size = (domain[1] - domain[0]) / BINS;
  const bars = bins.map((many, place) => {
    const [from, to] = [domain[0] + place * size, domain[0] + (place + 1) * size];
    const over = (from + to) / 2 > threshold ? "over" : "";
    return many && svg("rect", { class: `bin ${kind} ${over}`, x: x(from) + 0.5, width: Math.max(1, x(to) - x(from) - 1), y: base - height(many), height: height(many) });
  });
  return [svg("line", { class: "axis faint", x1: SIDE, x2: width - SIDE, y1: base, y2: base }), bars.filter(Boolean)];
}

/** Above the lines, for a threshold may run through them. */
function words({ name, scores }, top, threshold, width) {
  const above = scores.filter((score) => score > threshold).length;
  return [
    svg("text", { class: "strong", x: SIDE, y: top + 18 }, name),
    svg("text", { x: width - SIDE, y: top + 18, "text-anchor": "end" }, scores.length ? t("chart.above", { n: above, all: scores.length }) : t("chart.none_yet")),
  ];
}

function counted(scores, [low, high]) {
  const bins = new Array(BINS).fill(0);
  for (const score of scores) bins[Math.min(BINS - 1, Math.floor(((score - low) / (high - low)) * BINS))] += 1;
  return bins;
}

function handle(x, foot, width) {
  const end = x > width - 70 ? "end" : x < 70 ? "start" : "middle";
  return svg("g", { class: "handle" },
    svg("rect", { class: "grip", x: x - 14, width: 28, y: 0, height: foot }),
    svg("text", { class: "strong", x, y: 12, "text-anchor": end }, t("chart.threshold")),
    svg("line", { x1: x, x2: x, y1: TOP - 6, y2: foot }), svg("circle", { cx: x, cy: TOP - 6, r: 7 }));
}

function drag(chart, moved) {
  chart.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    // The chart is drawn anew at each step: it is measured now, and the window listens, not the line that was gripped.
    const { left, width } = chart.getBoundingClientRect();
    const tell = ({ clientX }) => moved((clientX - left) / width);
    const until = new AbortController();
    window.addEventListener("pointermove", tell, { signal: until.signal });
    for (const end of ["pointerup", "pointercancel"]) window.addEventListener(end, () => until.abort(), { signal: until.signal });
    tell(event);
  });
}

function told(groups, threshold) {
  const each = groups.map(({ name, scores }) => t("chart.group", { name, n: scores.filter((s) => s > threshold).length, scores: count(scores.length, "scores") }));
  return t("chart.told", { line: number(threshold), groups: each.join("; ") });
}
