/** Where a defect is: drawn on the image, by pointer or by numbers. */

import { byNumbers, drawing } from "./drawing_board.js";
import { el } from "./dom.js";
import { attempt } from "./notice.js";
import { t } from "./text.js";

/**
 * A fold in which a person draws where the defect is; the board is made when it is opened.
 * @param {object} inspection as the server gives it
 * @param {AbortSignal} signal
 * @param {(region: {look: number[][][]}) => Promise<void>} marked called with outlines in shares of width and height
 */
export function marking(inspection, signal, marked) {
  const place = el("div", { class: "step" });
  const fold = el("details", { ontoggle: open }, el("summary", {}, t("detail.mark_where")), place);

  function open() {
    if (!fold.open || place.childElementCount) return;
    const board = drawing({ signal, excludes: false, changed: () => (keep.disabled = !board?.shapes.length) });
    const keep = el("button", { type: "button", class: "main", disabled: true, onclick: () => attempt(fold, () => take(board)) }, t("detail.keep_mark"));
    place.append(el("div", { class: "row" }, board.tools), board.stage, byNumbers(board), el("div", { class: "row" }, keep));
    attempt(fold, () => board.show({ ...inspection, url: inspection.image.url }, signal));
  }
  async function take(board) {
    const { look } = board.file();
    if (!look?.length) return;
    await marked({ look });
    fold.open = false;
  }
  return fold;
}
