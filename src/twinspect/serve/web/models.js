/** Which models are served and which one is looked at. */

import { get } from "./api.js";
import { el } from "./dom.js";
import { t } from "./text.js";
import { sentence } from "./words.js";

const KEY = "twinspect.model";
let served = [];

/** Ask the server again; calibration, queue and warnings change. */
export async function loadModels() {
  served = (await get("/v1/models")).models;
  return served;
}

/** The model looked at: the one chosen last, or else the first. Undefined where none is served. */
export function currentModel() {
  const kept = sessionStorage.getItem(KEY);
  return served.find(({ name }) => name === kept) ?? served[0];
}

/** Names of all models that are served. */
export const modelNames = () => served.map(({ name }) => name);

/** Look at another model. */
export function chooseModel(name) {
  sessionStorage.setItem(KEY, name);
}

/** Fill the list in the header. */
export function fillModelList(list) {
  const current = currentModel()?.name;
  list.parentElement.hidden = !served.length;
  list.replaceChildren(...served.map(({ name }) => el("option", { value: name, selected: name === current }, name)));
}

/** What the reader should know before trusting this model's decisions; the drift page itself says more. */
export function warnings(model, page) {
  const reload = model?.error && el("p", { class: "warning" }, t("warning.reload", { name: model.name, error: model.error }));
  const drift = model?.drift && page !== "drift" && el("p", { class: "warning" }, `${sentence(model.drift)} `, el("a", { href: "#/drift" }, t("warning.see_drift")));
  return [reload, drift].filter(Boolean);
}
