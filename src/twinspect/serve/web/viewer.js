/** One inspection in a window of its own, from a list. */

import { addKeys } from "./keys.js";
import { shown } from "./dialog.js";
import { detail } from "./detail.js";
import { el } from "./dom.js";
import { t } from "./text.js";

/**
 * @param {object[]} list what the arrows walk through
 * @param {number} index where to begin
 * @param {(inspection: object) => void} [onfeedback]
 */
export async function view(list, index, onfeedback) {
  const closed = new AbortController();
  const place = el("div", {});
  const dialog = el("dialog", { class: "viewer", "aria-label": t("viewer.label") });
  const step = (by) => open(Math.max(0, Math.min(list.length - 1, index + by)));
  const previous = el("button", { type: "button", onclick: () => step(-1) }, t("viewer.previous"));
  const next = el("button", { type: "button", onclick: () => step(1) }, t("viewer.next"));
  const close = el("button", { type: "button", onclick: () => dialog.close() }, t("dialog.close"));
  dialog.append(el("div", { class: "row end" }, previous, next, close), place);
  let looking = new AbortController();

  function open(at) {
    index = at;
    looking.abort();
    looking = new AbortController();
    const until = AbortSignal.any([closed.signal, looking.signal]);
    const opened = detail(list[index], { signal: until, onfeedback });
    addKeys(opened.keys, dialog, until);
    place.replaceChildren(opened.element);
    previous.disabled = index === 0;
    next.disabled = index === list.length - 1;
  }
  const waiting = shown(dialog);
  const arrows = {
    ArrowRight: { words: t("bench.next"), shown: "→", run: () => step(1) },
    ArrowLeft: { words: t("bench.previous"), shown: "←", run: () => step(-1) },
  };
  addKeys(arrows, dialog, closed.signal);
  open(index);
  await waiting;
  closed.abort();
}
