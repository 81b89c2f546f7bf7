/** What the charts share: scales, round ticks, and drawing anew at the width there is, so that text keeps its size. */

import { el, svg } from "./dom.js";
import { number } from "./words.js";

/** A straight map from one interval to another; an interval without length goes to the middle. */
export function linear([low, high], [from, to]) {
  const span = high - low;
  return (value) => (span ? from + ((value - low) / span) * (to - from) : (from + to) / 2);
}

/** Round values that cover an interval, about so many. */
export function ticks([low, high], about = 5) {
  const rough = (high - low) / about || 1;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * unit).find((size) => size >= rough * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  const many = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: many }, (_, place) => Number(((first + place) * step).toPrecision(12)));
}

/** The shortest interval, as a share of its values: on a finer one, ticks in four digits would be the same. */
const SHORTEST = 0.005;

/** The interval of some numbers, with a little air around it. */
export function extent(values, air = 0.04) {
  const finite = values.filter(Number.isFinite);
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const span = Math.max(high - low, SHORTEST * Math.max(Math.abs(low), Math.abs(high))) || 1;
  const margin = span * (0.5 + air) - (high - low) / 2;
  return finite.length ? [low - margin, high + margin] : [0, 1];
}

/** A horizontal axis with its title below. */
export function axis(domain, scale, y, title, middle) {
  const marks = ticks(domain).map((value) => [
    svg("line", { class: "tick", x1: scale(value), x2: scale(value), y1: y, y2: y + 5 }),
    svg("text", { x: scale(value), y: y + 18, "text-anchor": "middle" }, number(value)),
  ]);
  const [from, to] = domain.map(scale);
  return [svg("line", { class: "axis", x1: from, x2: to, y1: y, y2: y }), marks,
    svg("text", { x: middle ?? (from + to) / 2, y: y + 36, "text-anchor": "middle" }, title)];
}

/**
 * An element whose picture is drawn again when its width changes.
 * @param {(width: number) => SVGElement} draw
 * @param {AbortSignal} signal ends the watching
 */
export function responsive(draw, signal) {
  const place = el("div", { class: "chart" });
  const redraw = () => place.clientWidth && place.replaceChildren(draw(place.clientWidth));
  const watcher = new ResizeObserver(redraw);
  watcher.observe(place);
  signal.addEventListener("abort", () => watcher.disconnect(), { once: true });
  return { element: place, redraw };
}
