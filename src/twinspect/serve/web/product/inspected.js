/** Choose among the images that were inspected: those judged good first, for they are known. */

import { get } from "../api.js";
import { openDialog } from "../dialog.js";
import { el, select } from "../dom.js";
import { badge } from "../icons.js";
import { loadWhenSeen } from "../pictures.js";
import { t } from "../text.js";

const MOST = 120;
const QUEUES = ["good", "defect", "none", ""];

/** @returns {Promise<number[]>} the numbers of the inspections that were chosen */
export async function chooseInspected(model, signal) {
  const list = el("ul", { class: "grid photos" });
  const all = el("button", { type: "button", onclick: () => boxes().forEach((box) => (box.checked = true)) }, t("inspected.all"));
  const which = select(t("inspected.which"), QUEUES.map((name) => [name, t(`inspected.${name || "any"}`)]), "good", () => fill());
  const boxes = () => [...list.querySelectorAll("input")];

  async function fill() {
    const { inspections } = await get("/v1/inspections", { model, feedback: which.querySelector("select").value, limit: MOST }, signal);
    const there = inspections.filter(({ image }) => image.url);
    list.replaceChildren(...there.map(choice));
    if (!there.length) list.append(el("li", { class: "wide soft" }, t("inspected.nothing")));
  }
  await fill();
  const agreed = await openDialog(t("adding.inspected"), { body: [el("div", { class: "row" }, which, all), el("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": t("adding.inspected") }, list)], accept: t("inspected.add"), wide: true });
  return agreed ? boxes().filter(({ checked }) => checked).map(({ value }) => Number(value)) : [];
}

function choice(inspection) {
  return el("li", {}, el("label", { class: "photo" },
    el("span", { class: "thumb" }, loadWhenSeen(el("img", { alt: "" }), `/v1/inspections/${inspection.id}/thumbnail`)),
    el("span", { class: "check" }, el("input", { type: "checkbox", value: String(inspection.id) }), el("span", { class: "tile-name" }, inspection.name)),
    badge(inspection)));
}
