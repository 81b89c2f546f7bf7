/** One product, step by step: photos, training, result, versions, and the line. */

import { get, query, send } from "../api.js";
import { askReason } from "../dialog.js";
import { el } from "../dom.js";
import { isStudio, may } from "../me.js";
import { attempt } from "../notice.js";
import { advice } from "../product/advice.js";
import { lineStep } from "../product/line.js";
import { photosStep } from "../product/photos.js";
import { jobWords } from "../product/progress.js";
import { resultStep } from "../product/result.js";
import { trainingStep } from "../product/training.js";
import { versionsStep } from "../product/versions.js";
import { modelNames } from "../models.js";
import { addressOf, asked } from "../route.js";
import { t } from "../text.js";

const STEPS = { photos: photosStep, training: trainingStep, result: resultStep, versions: versionsStep, line: lineStep };
/** A model that was given as a folder has no photos and versions. */
const OF_FOLDERS = ["line"];

/** @param {{root: HTMLElement, signal: AbortSignal, refresh: () => void}} context */
export async function product({ root, signal, refresh }) {
  const [name, wanted] = asked().rest;
  const path = `/v1/products/${encodeURIComponent(name)}`;
  const isFolder = modelNames().includes(name) && !(await isProduct(name, signal));
  const found = isFolder ? { name, isFolder } : await get(path, {}, signal);
  const step = isFolder ? "line" : Object.hasOwn(STEPS, wanted) ? wanted : usual(found);
  const place = el("div", { class: "step" });
  const head = el("div", { class: "step" });
  const changed = (now) => head.replaceChildren(...heading(now, step));
  changed(found);
  root.append(head, place);
  if (!isFolder && may("admin")) root.append(el("div", { class: "row end" }, el("button", { type: "button", class: "link", onclick: () => attempt(root, () => hide(found, path)) }, t("product.hide"))));
  await STEPS[step]({ root: place, product: found, path, signal, refresh, changed });
}

/** Name, what to do next, and the steps; a training tells by itself how far it is. */
function heading(found, step) {
  return [
    el("div", { class: "row" }, el("h1", { class: "grow" }, found.name), el("a", { href: "#/products" }, t("product.all"))),
    el("p", { class: "lead soft", hidden: Boolean(found.job) && step === "training" }, found.job ? jobWords(found.job) : found.isFolder ? t("products.is_folder") : advice(found)),
    steps(found, step),
  ];
}

/** Take a product out of the list; nothing of it is deleted, and one of the same name brings it back. */
async function hide({ name }, path) {
  const reason = await askReason(t("product.hide_title", { name }), t("product.hide_why"), t("product.hide_yes"));
  if (!reason) return;
  await send("DELETE", `${path}${query({ reason })}`);
  location.hash = "#/products";
}

async function isProduct(name, signal) {
  return isStudio() && (await get("/v1/products", {}, signal)).products.some((each) => each.name === name);
}

/** Where a visit begins: at what is to be done next. */
function usual({ versions, job, enough }) {
  if (job) return "training";
  if (versions) return "result";
  return enough ? "training" : "photos";
}

function steps(found, open) {
  const done = { photos: found.enough, training: found.versions > 0, result: found.versions > 0, versions: found.active !== null };
  const links = (found.isFolder ? OF_FOLDERS : Object.keys(STEPS)).map((name, place) => el("li", {},
    el("a", { href: addressOf(`product/${encodeURIComponent(found.name)}/${name}`), "aria-current": name === open ? "step" : null },
      el("span", { class: `number ${done[name] ? "done" : ""}`, "aria-hidden": "true" }, done[name] ? "✓" : String(place + 1)), t(`step.${name}`))));
  return el("nav", { "aria-label": t("product.steps") }, el("ol", { class: "steps" }, links));
}
