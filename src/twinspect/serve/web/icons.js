/** The few line icons of the page. They are decoration: the word always stands beside them. */

import { el, svg } from "./dom.js";
import { verdict } from "./words.js";

const LINES = {
  check: "M5 12.5l4.5 4.5L19 7",
  alert: "M12 3.5L22 20.5H2z M12 10v4.5 M12 17.4v.1",
  cross: "M6 6l12 12 M18 6L6 18",
  clock: "M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18 M12 7.5V12l3 2",
  question: "M8.5 9a3.5 3.5 0 1 1 5 3.2c-1 .5-1.5 1.2-1.5 2.3 M12 18v.1",
  sun: "M12 8a4 4 0 1 0 0 8a4 4 0 1 0 0-8 M12 2v2 M12 20v2 M2 12h2 M20 12h2 M5 5l1.4 1.4 M17.6 17.6L19 19 M5 19l1.4-1.4 M17.6 6.4L19 5",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z",
  inspect: "M10.5 4a6.5 6.5 0 1 0 0 13a6.5 6.5 0 1 0 0-13 M15.5 15.5L21 21",
  history: "M4 6h16 M4 12h16 M4 18h10",
  threshold: "M4 20V14 M9 20V8 M14 20v-9 M19 20v-4 M16.5 3v18",
  region: "M4 8V4h4 M16 4h4v4 M20 16v4h-4 M8 20H4v-4 M9 9h6v6H9z",
  drift: "M3 15c3-6 5-6 8-2s5 3 10-7",
  feedback: "M4 5h16v11H10l-5 4v-4H4z",
  live: "M12 12m-2 0a2 2 0 1 0 4 0a2 2 0 1 0 -4 0 M8 8a5.7 5.7 0 0 0 0 8 M16 8a5.7 5.7 0 0 1 0 8 M5 5a10 10 0 0 0 0 14 M19 5a10 10 0 0 1 0 14",
  products: "M4 8l8-4 8 4v8l-8 4-8-4z M4 8l8 4 8-4 M12 12v8",
  expand: "M4 9V4h5 M15 4h5v5 M20 15v5h-5 M9 20H4v-5",
  camera: "M4 8h4l2-3h4l2 3h4v11H4z M12 10.5a3 3 0 1 0 0 6a3 3 0 1 0 0-6",
  upload: "M12 16V4 M7 9l5-5l5 5 M4 20h16",
};

/** An icon as large as the text beside it. */
export function icon(name) {
  return svg("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: LINES[name] }));
}

/** The model's decision as a badge: icon, word, colour. */
export function badge(inspection) {
  const { kind, word, icon: name } = verdict(inspection);
  return el("span", { class: `badge ${kind}` }, icon(name), word);
}
