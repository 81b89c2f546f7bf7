/** The raw value of the map under the pointer. */

import { request } from "./api.js";
import { el } from "./dom.js";
import { t } from "./text.js";
import { number } from "./words.js";

/** Values a side that are fetched: finer than a hand can point, and small. */
const SIDE = 400;

/**
 * @param {HTMLElement} stage which holds the picture and its boxes, drawn in pixels of the image
 * @param {object} inspection as the server gives it
 * @returns {HTMLElement} what says the value; nothing is fetched before the pointer comes
 */
export function pointerValue(stage, inspection, signal) {
  const shown = el("output", { class: "pointer-value soft" }, t("pointer.hint"));
  let map = null;
  let asking = null;

  function tell({ clientX, clientY }) {
    const boxes = stage.querySelector(".boxes");
    if (!boxes) return;
    asking ??= values(inspection.id, signal).then((found) => (map = found)).catch(() => (shown.textContent = ""));
    if (!map) return;
    const point = new DOMPoint(clientX, clientY).matrixTransform(boxes.getScreenCTM().inverse());
    shown.textContent = words(point, valueAt(map, point.x / inspection.width, point.y / inspection.height), inspection);
  }
  stage.addEventListener("pointermove", tell, { signal });
  stage.addEventListener("pointerleave", () => (shown.textContent = t("pointer.hint")), { signal });
  return shown;
}

async function values(id, signal) {
  const response = await request(`/v1/inspections/${id}/map?format=f32&side=${SIDE}`, { signal });
  const view = new DataView(await response.arrayBuffer());
  const [width, height] = ["X-Map-Width", "X-Map-Height"].map((name) => Number(response.headers.get(name)));
  return { width, height, at: (x, y) => view.getFloat32(4 * (y * width + x), true) };
}

function valueAt({ width, height, at }, x, y) {
  const [column, row] = [Math.floor(x * width), Math.floor(y * height)];
  return column >= 0 && row >= 0 && column < width && row < height ? at(column, row) : null;
}

function words({ x, y }, value, { map_scale: scale }) {
  if (value === null) return t("pointer.hint");
  const place = { x: Math.floor(x), y: Math.floor(y), value: number(value) };
  return scale?.threshold > 0 ? t("pointer.of_threshold", { ...place, times: number(value / scale.threshold) }) : t("pointer.value", place);
}
