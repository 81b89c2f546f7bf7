/** A batch at work: the current image large, the others as a grid of tiles, arrows to move. */

import { addKeys } from "./keys.js";
import { detail } from "./detail.js";
import { el } from "./dom.js";
import { badge, icon } from "./icons.js";
import { loadWhenSeen } from "./pictures.js";
import { t } from "./text.js";
import { OPINIONS, lowered, verdict } from "./words.js";

/**
 * @param {{signal: AbortSignal, label: string, onfeedback?: (inspection: object) => void}} options
 * @returns {{element: HTMLElement, show: (inspections: object[], first?: number) => void, step: (by: number) => void}}
 */
export function workbench({ signal, label, onfeedback }) {
  const place = el("div", { class: "current" });
  const grid = el("ul", { class: "grid", "aria-label": label });
  const element = el("div", { class: "bench" }, place, grid);
  const tiles = new WeakMap();
  let shown = [];
  let current = -1;
  let looking = new AbortController();

  function select(index, focus = true) {
    if (!shown[index]) return;
    current = index;
    looking.abort();
    looking = new AbortController();
    place.replaceChildren(open(shown[index], AbortSignal.any([signal, looking.signal])));
    mark();
    if (focus) reveal(grid.children[index]);
  }
  function open(inspection, until) {
    if (!inspection.id) return refused(inspection);
    const opened = detail(inspection, { signal: until, onfeedback: told });
    addKeys(opened.keys, element, until);
    return opened.element;
  }
  function told(inspection) {
    const old = grid.children[current];
    const focused = old.contains(document.activeElement);
    const changed = tile(inspection);
    tiles.set(inspection, changed);
    old.replaceWith(changed);
    mark();
    if (focused) changed.firstChild.focus({ preventScroll: true });
    onfeedback?.(inspection);
  }
  function mark() {
    [...grid.children].forEach(({ firstChild: button }, index) => {
      button.tabIndex = index === current ? 0 : -1;
      button.setAttribute("aria-current", String(index === current));
    });
  }
  /** Bring a tile into view where the grid scrolls by itself, and the large image where the page does. */
  function reveal(chosen) {
    chosen.firstChild.focus({ preventScroll: true });
    if (getComputedStyle(grid).overflowY === "auto") scrollWithin(grid, chosen);
    const { top } = place.getBoundingClientRect();
    if (top < 0 || top > innerHeight / 2) place.scrollIntoView({ block: "start" });
  }
  function tile(inspection) {
    return el("li", {}, el("button", { type: "button", class: "tile", onclick: () => select(shown.indexOf(inspection)) }, ...face(inspection)));
  }
  /** A tile stays as long as its image does: its picture is not fetched again. */
  function tileOf(inspection) {
    if (!tiles.has(inspection)) tiles.set(inspection, tile(inspection));
    return tiles.get(inspection);
  }
  /** Show other images, or the same in another order; the large one stays as it is where it is the one to begin with. */
  function show(inspections, first = 0) {
    const stays = shown[current] && shown[current] === inspections[first];
    shown = inspections;
    grid.replaceChildren(...shown.map(tileOf));
    current = stays ? first : -1;
    if (stays) mark();
    else if (shown.length) select(Math.min(first, shown.length - 1), false);
    else place.replaceChildren();
  }
  const step = (by) => select(Math.max(0, Math.min(shown.length - 1, current + by)));
  const columns = () => Math.max(1, [...grid.children].filter(({ offsetTop }) => offsetTop === grid.firstChild.offsetTop).length);
  const inGrid = () => grid.contains(document.activeElement);
  const nextAnomalous = () => select(shown.findIndex((each, index) => index > current && each.is_anomalous));
  addKeys(
    {
      ArrowRight: { words: t("bench.next"), shown: "→", run: () => step(1) },
      ArrowLeft: { words: t("bench.previous"), shown: "←", run: () => step(-1) },
      ArrowDown: { words: t("bench.below"), shown: "↓", run: () => step(columns()), active: inGrid },
      ArrowUp: { words: t("bench.above"), shown: "↑", run: () => step(-columns()), active: inGrid },
      n: { words: t("bench.next_anomalous"), run: nextAnomalous },
    },
    element,
    signal,
  );
  return { element, show, step, get current() { return current; }, get inspection() { return shown[current]; } };
}

function scrollWithin(grid, tile) {
  const [outer, inner] = [grid.getBoundingClientRect(), tile.getBoundingClientRect()];
  if (inner.top < outer.top) grid.scrollTop -= outer.top - inner.top;
  if (inner.bottom > outer.bottom) grid.scrollTop += inner.bottom - outer.bottom;
}

function face(inspection) {
  const { kind, word } = verdict(inspection.id ? inspection : { state: "failed" });
  const picture = inspection.image?.url && loadWhenSeen(el("img", { alt: "" }), `/v1/inspections/${inspection.id}/thumbnail`);
  const opinion = OPINIONS.find(({ value }) => value === inspection.feedback?.verdict);
  return [
    el("span", { class: `thumb ${kind}` }, picture || icon("cross")),
    el("span", { class: "tile-name" }, inspection.name),
    inspection.id ? badge(inspection) : el("span", { class: "badge failed" }, icon("cross"), word),
    opinion && el("span", { class: "opinion-mark" }, icon(opinion.icon), t("bench.you", { verdict: lowered(opinion.word) })),
  ];
}

/** A file that was not taken, with the reason. */
function refused({ name, error }) {
  return el("article", { class: "detail refused", "aria-label": name },
    el("div", { class: "conclusion" }, el("h2", { class: "name" }, name), el("p", { class: "problem", role: "alert" }, error.message)));
}
