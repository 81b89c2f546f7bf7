/** Where the next trainings look: drawn on a photo. */

import { get, send } from "../api.js";
import { byNumbers, drawing } from "../drawing_board.js";
import { el } from "../dom.js";
import { may } from "../me.js";
import { attempt, say } from "../notice.js";
import { t } from "../text.js";

/** @param {{product: object, path: string, signal: AbortSignal}} context */
export async function lookWhere({ product, path, signal }) {
  const { photos } = await get(`${path}/photos`, { role: "good", limit: 1 }, signal);
  const board = drawing({ signal, changed: () => (keep.disabled = !board?.shapes.length || !may("train")) });
  const state = el("p", { class: "soft", role: "status" }, stated(product.region));
  const keep = el("button", { type: "button", class: "main", disabled: true, onclick: () => save(board.file()) }, t("where.keep"));
  const whole = el("button", { type: "button", disabled: !may("train"), onclick: () => save({}) }, t("where.whole"));
  const place = el("div", { class: "step" }, state, el("p", { class: "soft" }, t("where.why")), el("div", { class: "row" }, board.tools), board.stage, el("div", { class: "row" }, byNumbers(board), keep, whole));
  const details = el("details", { class: "sheet", ontoggle: open }, el("summary", {}, el("b", {}, t("where.title"))), place);
  let isLoaded = false;

  function save(region) {
    return attempt(place, async () => {
      const { region: now } = await send("PUT", `${path}/region`, { look: region.look ?? null, ignore: region.ignore ?? null }, signal);
      state.textContent = stated(now);
      say(t("where.kept"));
    });
  }
  async function open() {
    if (isLoaded || !details.open) return;
    isLoaded = true;
    const [photo] = photos;
    await attempt(place, () => board.show({ ...photo, url: `${path}/photos/${photo.id}/image` }, signal));
  }
  return details;
}

const stated = (region) => t(region ? "where.is_part" : "where.is_whole");
