/** What was found in an image: a box on the picture and an entry of a list. Either marks the other; a click comes close. */

import { el, svg } from "./dom.js";
import { loadWhenSeen } from "./pictures.js";
import { chance, number } from "./words.js";

const size = ({ area_px: area, extent_px: extent }) => `${number(area)} pixels, ${number(extent)} px long`;

/** A box around each region, to lie over the picture. */
export function boxes({ regions, width, height }) {
  const drawn = (regions ?? []).map((region, at) => {
    const [x, y, w, h] = region.box;
    return svg("rect", { x, y, width: w, height: h, "data-region": at }, svg("title", {}, `Region ${at + 1}: ${size(region)}`));
  });
  return svg("svg", { class: "boxes", viewBox: `0 0 ${width} ${height}`, width, height }, drawn);
}

/** What is different there from good images, and the region to the left of the good patch that it is most like. */
function difference(id, { words, good_patch: patch }, number) {
  const alt = `Region ${number}, and to its right the good patch that it is most like`;
  return [
    words?.length > 0 && el("p", { class: "words" }, words.join(", ")),
    patch && loadWhenSeen(el("img", { class: "pair", alt, title: "Here, and in a good image" }), `/v1/inspections/${id}/regions/${number}`),
  ];
}

/**
 * The list beside the picture.
 * @param {object} inspection as the server gives it
 * @param {HTMLElement} stage which holds the boxes
 * @param {() => void} enlarge shows the picture at its actual size
 */
export function regionList({ id, regions, is_anomalous: flagged }, stage, enlarge) {
  if (!regions) return null;
  if (!regions.length) return flagged && el("p", { class: "soft" }, "Anomalous as a whole: no single place of it stands out.");
  const entries = regions.map((region, at) => {
    const box = () => stage.querySelector(`[data-region="${at}"]`);
    const mark = (on) => () => box()?.classList.toggle("marked", on);
    const near = () => {
      enlarge();
      box()?.scrollIntoView({ block: "center", inline: "center" });
    };
    const events = { onpointerenter: mark(true), onpointerleave: mark(false), onfocus: mark(true), onblur: mark(false), onclick: near };
    const title = "Show it at actual size";
    return el("li", {}, el("button", { type: "button", class: "link", title, ...events }, size(region)), el("span", { class: "soft" }, ` p ${chance(region.p_value)}`), difference(id, region, at + 1));
  });
  return el("section", { class: "regions", "aria-label": "Regions" },
    el("h3", {}, "Regions"), el("ol", {}, entries),
    !flagged && el("p", { class: "soft" }, "The image passed, although places of it stand out."));
}
