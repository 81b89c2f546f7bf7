/** The picture of an inspection with its heat map, contours and boxes, one over the other. */

import { contour, opacities, opacity } from "./contours.js";
import { el, svg } from "./dom.js";
import { load } from "./pictures.js";
import { boxes } from "./regions.js";
import { t } from "./text.js";

/** Places on the heat map's scale where contours run: a good image's peak, and half as far again above. */
const LEVELS = [0.5, 0.75];

/**
 * Draw an inspection into an element.
 * @param {HTMLElement} stage
 * @param {object} inspection as the server gives it
 */
export async function draw(stage, inspection, signal) {
  if (!inspection.image?.url) {
    stage.append(el("p", { class: "soft" }, t("detail.removed")));
    return;
  }
  const path = `/v1/inspections/${inspection.id}`;
  const part = el("img", { class: "part", alt: t("detail.part", { name: inspection.name }) });
  stage.replaceChildren(part);
  // TIFF, for instance, is nothing that every browser shows: the server then converts it.
  await load(part, `${path}/image`, signal).catch(() => load(part, `${path}/image?format=png`, signal));
  if (inspection.state !== "done") return;
  const heat = el("img", { class: "heat", alt: "" });
  await load(heat, `${path}/map?format=png`, signal);
  stage.append(heat, lines(heat), boxes(inspection));
}

function lines(heat) {
  const grid = opacities(heat);
  const paths = LEVELS.map((place) => contour(grid, opacity(place))).filter(Boolean);
  const drawn = paths.flatMap((d) => [svg("path", { d, class: "rim" }), svg("path", { d, class: "line" })]);
  const { naturalWidth: width, naturalHeight: height } = heat;
  return svg("svg", { class: "contours", viewBox: `0 0 ${grid.width} ${grid.height}`, width, height, "aria-hidden": "true" }, drawn);
}
