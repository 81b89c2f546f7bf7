/**
 * The scale of a heat map: which raw value each colour stands for, and where the threshold of pixels lies on it. The
 * colours are those that the server draws with: matplotlib's plasma, and nothing below 0.4 of the scale.
 */

import { el, svg } from "./dom.js";
import { t } from "./text.js";
import { number } from "./words.js";

/** Plasma at even steps from 0 to 1. */
const COLOURS = ["#0d0887", "#4c02a1", "#7e03a8", "#aa2395", "#cc4778", "#e66c5c", "#f89540", "#fdc527", "#f0f921"];
const BEGIN = 0.4;
const WIDTH = 300;
const SIDE = 10;
const BAR = { top: 18, height: 12 };

const span = ({ low, high }) => high - low || Math.abs(high) || 1;
/** Where a value lies on the scale: half is the peak of good images, 1 as far again above. */
const placeOf = (value, scale) => Math.min(1, Math.max(BEGIN, (value - scale.low) / (2 * span(scale))));
const valueAt = (place, scale) => scale.low + 2 * place * span(scale);
const x = (place) => SIDE + ((WIDTH - 2 * SIDE) * (place - BEGIN)) / (1 - BEGIN);
const anchor = (at) => (at < 100 ? "start" : at > WIDTH - 100 ? "end" : "middle");

/** @param {{low: number, high: number, threshold: number|null}} scale of an inspection, as the server gives it */
export function scaleBar(scale) {
  const peak = `${t("scale.good_peak")} ${number(scale.high)}`;
  const line = scale.threshold === null ? null : `${t("scale.threshold")} ${number(scale.threshold)}`;
  const [from, to] = [x(BEGIN), x(1)];
  const ends = [number(valueAt(BEGIN, scale)), number(valueAt(1, scale))];
  return el("figure", { class: "scale" },
    svg("svg", { viewBox: `0 0 ${WIDTH} 62`, role: "img", "aria-label": [t("scale.told", { low: ends[0], high: ends[1] }), peak, line].filter(Boolean).join("; ") },
      svg("defs", {}, svg("linearGradient", { id: "plasma", gradientUnits: "userSpaceOnUse", x1: x(0), x2: to }, stops())),
      svg("rect", { x: from, y: BAR.top, width: to - from, height: BAR.height, rx: 3, fill: "url(#plasma)" }),
      mark(x(0.5), peak, { y: 11, up: true }),
      line && mark(x(placeOf(scale.threshold, scale)), line, { y: 58, up: false }),
      svg("text", { x: from, y: 44 }, `≤ ${ends[0]}`),
      svg("text", { x: to, y: 44, "text-anchor": "end" }, `≥ ${ends[1]}`)));
}

const stops = () => COLOURS.map((colour, at) => svg("stop", { offset: at / (COLOURS.length - 1), "stop-color": colour }));

function mark(at, words, { y, up }) {
  const [top, foot] = up ? [BAR.top - 4, BAR.top + BAR.height] : [BAR.top, BAR.top + BAR.height + 16];
  return [svg("line", { class: up ? "peak" : "line", x1: at, x2: at, y1: top, y2: foot }), svg("text", { class: up ? null : "strong", x: at, y, "text-anchor": anchor(at) }, words)];
}
