/** What a check of the photos says, each finding with the photos that it is about. */

import { get } from "../api.js";
import { el } from "../dom.js";
import { icon } from "../icons.js";
import { attempt } from "../notice.js";
import { t } from "../text.js";
import { count } from "../words.js";
import { tile } from "./photos.js";

const MOST = 12;

/** @returns {{element: HTMLElement, about: (good: number) => void}} the section, which is told how many photos there are */
export function photoCheck({ path, signal, act }) {
  const outcome = el("div", { class: "findings", "aria-live": "polite" });
  const start = el("button", { type: "button", onclick: () => attempt(element, look) }, t("check.start"));
  const element = el("section", { class: "sheet", "aria-labelledby": "check", hidden: true }, el("h2", { id: "check" }, t("check.title")), el("p", { class: "soft" }, t("check.why")), el("div", { class: "row" }, start), outcome);
  let checked = 0;

  async function look() {
    outcome.replaceChildren(el("p", { class: "soft" }, t("check.looking")));
    start.disabled = true;
    try {
      const [{ findings, looked }, { photos }] = await Promise.all([get(`${path}/check`, {}, signal), get(`${path}/photos`, { role: "good", limit: 500 }, signal)]);
      const known = new Map(photos.map((photo) => [photo.id, photo]));
      checked = looked;
      outcome.replaceChildren(...(findings.length ? findings.map((each) => finding(each, known, path, act)) : [el("p", { class: "verdict" }, icon("check"), " ", t("check.clean", { photos: count(looked, "photos") }))]));
    } finally {
      start.disabled = false;
    }
  }
  /** After a change the findings may be about photos that are gone: they are asked for again only where they were before. */
  function about(good) {
    element.hidden = !good;
    if (checked && checked !== good) attempt(element, look);
  }
  return { element, about };
}

function finding({ kind, text, photos }, known, path, act) {
  const shown = photos.map((id) => known.get(id)).filter(Boolean).slice(0, MOST);
  return el("article", { class: "finding" },
    el("p", {}, icon(kind === "too_few" ? "question" : "alert"), " ", text),
    shown.length > 0 && el("ul", { class: "grid photos small" }, shown.map((photo) => tile(photo, path, act))),
    photos.length > shown.length && el("p", { class: "soft" }, t("check.more", { n: photos.length - shown.length })));
}
