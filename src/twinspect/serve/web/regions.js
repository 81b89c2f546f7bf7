/** What was found in an image: a box on the picture and an entry of a list. Either marks the other; a click comes close. */

import { el, svg } from "./dom.js";
import { loadWhenSeen } from "./pictures.js";
import { named, t } from "./text.js";
import { chance, number } from "./words.js";

/** How large a region is, in words. */
export const sizeOf = ({ area_px: area, extent_px: extent }) => t("found.size", { area: number(area), length: number(extent) });

/** What is different in a region, in words. */
export const differenceWords = (words) => words.map((word) => named("found.is", word)).join(", ");

/** A box around each region, to lie over the picture. */
export function boxes({ regions, width, height }) {
  const drawn = (regions ?? []).map((region, at) => {
    const [x, y, w, h] = region.box;
    return svg("rect", { x, y, width: w, height: h, "data-region": at }, svg("title", {}, t("found.region", { number: at + 1, size: sizeOf(region) })));
  });
  return svg("svg", { class: "boxes", viewBox: `0 0 ${width} ${height}`, width, height }, drawn);
}

/** What is different there from good images, and the region to the left of the good patch that it is most like. */
function difference(id, { words, good_patch: patch }, number) {
  const alt = t("found.pair", { number });
  return [
    words?.length > 0 && el("p", { class: "words" }, differenceWords(words)),
    patch && loadWhenSeen(el("img", { class: "pair", alt, title: t("found.pair_title") }), `/v1/inspections/${id}/regions/${number}`),
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
  if (!regions.length) return flagged && el("p", { class: "soft" }, t("found.as_a_whole"));
  const entries = regions.map((region, at) => {
    const box = () => stage.querySelector(`[data-region="${at}"]`);
    const mark = (on) => () => box()?.classList.toggle("marked", on);
    const near = () => {
      enlarge();
      box()?.scrollIntoView({ block: "center", inline: "center" });
    };
    const events = { onpointerenter: mark(true), onpointerleave: mark(false), onfocus: mark(true), onblur: mark(false), onclick: near };
    const title = t("found.show");
    return el("li", {}, el("button", { type: "button", class: "link", title, ...events }, sizeOf(region)), el("span", { class: "soft" }, " ", el("abbr", { title: t("found.p_value_means") }, "p"), ` ${chance(region.p_value)}`), difference(id, region, at + 1));
  });
  return el("section", { class: "regions", "aria-label": t("found.regions") },
    el("h3", {}, t("found.regions")), el("ol", {}, entries),
    !flagged && el("p", { class: "soft" }, t("found.passed")));
}
