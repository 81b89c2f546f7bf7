/**
 * Region: draw on an image where the model shall look, and what it shall ignore. The images judged good are scored
 * anew within it, or the drawing is kept as a file for `--roi`.
 */

import { get, post } from "../api.js";
import { askReason } from "../dialog.js";
import { byNumbers, drawing } from "../drawing_board.js";
import { el, empty, facts, select } from "../dom.js";
import { may, whyNot } from "../me.js";
import { attempt, say } from "../notice.js";
import { save } from "../pictures.js";
import { pieces, t } from "../text.js";
import { count, number, percent } from "../words.js";

const MOST = 24;

/** @param {{root: HTMLElement, model: object, signal: AbortSignal, refresh: () => void}} context */
export async function region({ root, model, signal, refresh }) {
  const drawable = model.reference_url ? [referenceOf(model)] : await inspected(model, signal);
  root.append(el("h1", {}, t("region.title")), el("p", { class: "lead soft" }, model.looks_at ? t("region.looks_at", { where: model.looks_at }) : t("region.looks_at_all"), ` ${t("region.lead")}`));
  if (!drawable.length) return root.append(empty(t("region.no_image"), t("region.no_image_why")));
  if (model.reference_url) root.append(el("p", {}, t("region.aligned")));
  const board = drawing({ signal, changed: tell });
  const chosen = select(t("region.image"), drawable.map(({ id, name }) => [String(id), name]), String(drawable[0].id), () => attempt(root, show));
  const shown = () => drawable.find(({ id }) => String(id) === chosen.querySelector("select").value);
  const summary = el("div", { role: "status" });
  const keep = el("button", { type: "button", disabled: true, onclick: () => save(new Blob([JSON.stringify(board.file())], { type: "application/json" }), "roi.json") }, t("region.keep"));
  const apply = el("button", { type: "button", class: "main", disabled: !may("admin"), "aria-describedby": "may-apply", onclick: () => attempt(place, calibrate) });
  const outcome = el("div", { "aria-live": "polite" });
  const place = el("section", { class: "sheet", "aria-labelledby": "apply-region" }, el("h2", { id: "apply-region" }, t("region.anew")));

  function tell() {
    const { look = [], ignore = [] } = board.file();
    keep.disabled = !look.length && !ignore.length;
    apply.textContent = keep.disabled ? t("region.anew_here") : t("region.anew_there");
    const drawn = (kind) => count(board.shapes.filter((shape) => shape.kind === kind).length, "areas");
    summary.replaceChildren(facts([[t("region.look"), look.length ? drawn("look") : t("region.whole")], [t("region.ignore"), ignore.length ? drawn("ignore") : t("region.nothing")]]));
  }
  async function show() {
    await board.show(shown(), signal);
  }
  async function calibrate() {
    const path = `/v1/models/${encodeURIComponent(model.name)}/calibrate`;
    const body = keep.disabled ? {} : { region: board.file() };
    const plan = await post(path, { ...body, dry_run: true }, signal);
    const reason = await askReason(t("region.confirm"), planned(plan, model, keep.disabled), t("region.confirm_yes"));
    if (!reason) return;
    apply.disabled = true;
    outcome.replaceChildren(el("p", { class: "soft" }, t("region.scoring", { images: count(plan.images, "images") })));
    try {
      const done = await post(path, { ...body, reason }, signal);
      say(t("region.done", { promise: done.calibration.promise, line: number(done.calibration.threshold) }));
      await refresh();
    } finally {
      apply.disabled = false;
      outcome.replaceChildren();
    }
  }
  place.append(
    el("p", { class: "soft" }, t("region.anew_why")),
    el("div", { class: "row" }, apply), outcome,
    el("p", { class: "soft", id: "may-apply", hidden: may("admin") }, whyNot("admin", "calibrate")));
  root.append(
    el("div", { class: "row" }, drawable.length > 1 && chosen, board.tools),
    board.stage,
    el("div", { class: "row" }, byNumbers(board), keep, summary),
    place,
    el("p", { class: "soft" }, pieces("region.by_file", { command: el("code", {}, `twinspect calibrate ${model.name}.twin GOOD --roi roi.json`) })),
  );
  tell();
  await attempt(root, show);
}

/** The newest images that were inspected and are still there. */
async function inspected(model, signal) {
  const { inspections } = await get("/v1/inspections", { model: model.name, state: "done", limit: MOST }, signal);
  return inspections.filter(({ image }) => image.url).map(({ image, ...rest }) => ({ ...rest, url: `${image.url}?format=png` }));
}

const referenceOf = ({ reference_url: url, reference_size: [width, height] }) => ({ id: 0, name: t("region.reference"), url, width, height });

/** What would change, in words. */
function planned({ images, false_alarm_rate: rate, looks_at: where, warnings }, model, stays) {
  return el("div", {},
    el("p", {}, t("region.plan", { n: images, rate: percent(rate) }), " ", t(stays ? "region.plan_same" : "region.plan_where", { where: where ?? t("region.whole_images") })),
    !stays && el("p", {}, t("region.begins_anew")),
    ...warnings.map((words) => el("p", { class: "warning" }, words)),
    el("p", { class: "soft" }, pieces("region.undo_by", { command: el("code", {}, `twinspect calibrate ${model.name}.twin --undo`) })));
}
