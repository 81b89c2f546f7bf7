/** One quantity over time: a dot a window, the line of the calibration images, the band of what would not be noticed, and a
 * mark where the test raised an alarm. */

import { extent, linear, ticks } from "./chart.js";
import { svg } from "./dom.js";
import { t } from "./text.js";
import { chance, moment, span } from "./words.js";

const HEIGHT = 130;
const LEFT = 54;
const RIGHT = 12;
const TOP = 12;
const FOOT = HEIGHT - 24;

/**
 * @param {{width: number, points: {from: string, to: string, median: number, p_value: number, alarmed: boolean}[],
 *   reference: number|undefined, band: [number, number]|null, label: string, written: (value: number) => string}} data
 */
export function series({ width, points, reference, band, label, written }) {
  const domain = extent([...points.map(({ median }) => median), reference, ...(band ?? [])], 0.15);
  const y = linear(domain, [FOOT, TOP]);
  const x = linear([0, points.length - 1], [LEFT + 8, width - RIGHT - 8]);
  const path = points.map(({ median }, place) => `${place ? "L" : "M"}${x(place)} ${y(median)}`).join("");
  return svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": label },
    band && svg("rect", { class: "band", x: LEFT, width: width - RIGHT - LEFT, y: y(band[1]), height: y(band[0]) - y(band[1]) }),
    ticks(domain, 4).map((value) => [
      svg("line", { class: "gridline", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }),
      svg("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, written(value)),
    ]),
    Number.isFinite(reference) && [
      svg("line", { class: "reference", x1: LEFT, x2: width - RIGHT, y1: y(reference), y2: y(reference) }),
    ],
    svg("path", { class: "course", d: path }),
    points.map((point, place) => dot(point, x(place), y(point.median), written)),
    ends(points, width));
}

function dot({ from, to, median, p_value: p, alarmed }, x, y, written) {
  const values = { time: span(from, to), value: written(median) };
  const told = Number.isFinite(p) ? t("drift.point_p", { ...values, p: chance(p) }) : t("drift.point", values);
  const title = svg("title", {}, [told, alarmed && t("chart.alarm")].filter(Boolean).join(", "));
  // A diamond with a rim: the alarm is a shape, not only a colour.
  if (alarmed) return svg("path", { class: "dot alarm", d: `M${x} ${y - 7}L${x + 7} ${y}L${x} ${y + 7}L${x - 7} ${y}Z` }, title);
  return svg("circle", { class: "dot", cx: x, cy: y, r: 3.5 }, title);
}

function ends(points, width) {
  return [
    svg("text", { x: LEFT, y: HEIGHT - 6 }, moment(points[0].from)),
    points.length > 1 && svg("text", { x: width - RIGHT, y: HEIGHT - 6, "text-anchor": "end" }, moment(points.at(-1).to)),
  ];
}
