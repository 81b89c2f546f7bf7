/** A panel of filters: always there at a desk, folded on a phone, where results come first. */

import { el } from "./dom.js";
import { t } from "./text.js";

const WIDE = matchMedia("(min-width: 46rem)");

/** @param {boolean} isUsed whether a filter is set, which must be seen */
export function filterPanel(isUsed, ...fields) {
  return el("details", { class: "filter-panel", open: WIDE.matches || isUsed },
    el("summary", {}, t("history.filter")),
    el("div", { class: "filters sheet", role: "search", "aria-label": t("history.filter") }, fields));
}
