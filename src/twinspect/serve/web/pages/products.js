/** Products: what is inspected here, and a first one within minutes. */

import { get, post } from "../api.js";
import { openDialog } from "../dialog.js";
import { el, empty } from "../dom.js";
import { icon } from "../icons.js";
import { isStudio, may, whyNot } from "../me.js";
import { modelNames } from "../models.js";
import { attempt } from "../notice.js";
import { addressOf } from "../route.js";
import { advice } from "../product/advice.js";
import { jobWords } from "../product/progress.js";
import { t } from "../text.js";
import { count } from "../words.js";

/** @param {{root: HTMLElement, signal: AbortSignal}} context */
export async function products({ root, signal }) {
  const add = el("button", { type: "button", class: "main", disabled: !may("train"), onclick: () => attempt(root, create) }, t("products.new"));
  const [found, demos] = isStudio() ? await Promise.all([get("/v1/products", {}, signal), get("/v1/demo-products", {}, signal)]) : [{ products: [] }, { names: [] }];
  const own = new Set(found.products.map(({ name }) => name));
  const others = modelNames().filter((name) => !own.has(name));

  async function create() {
    const name = await askName();
    if (name) open((await post("/v1/products", { name }, signal)).name);
  }
  async function tryDemo(name) {
    open((await post("/v1/products", { name: own.has(name) ? `${name} ${own.size + 1}` : name, demo: name }, signal)).name);
  }

  root.append(
    el("div", { class: "row" }, el("h1", { class: "grow" }, t("page.products")), isStudio() && add),
    el("p", { class: "lead soft" }, t(isStudio() ? "products.lead" : "products.only_inspects")),
    el("p", { class: "soft", hidden: may("train") || !isStudio() }, whyNot("train", "train")));
  if (found.products.length || others.length) {
    root.append(el("ul", { class: "products-list" }, found.products.map(card), others.map(served)));
  }
  if (isStudio() && !found.products.length) root.append(start(demos.names, (name) => attempt(root, () => tryDemo(name))));
}

function open(name) {
  location.hash = addressOf(`product/${encodeURIComponent(name)}`);
}

async function askName() {
  const input = el("input", { type: "text", required: true, maxlength: "64", pattern: "[\\p{L}\\p{N} ._\\-]+", autocomplete: "off" });
  const agreed = await openDialog(t("products.new"), {
    body: [el("label", { class: "field" }, el("span", {}, t("products.name")), input), el("p", { class: "soft" }, t("products.name_hint"))],
    accept: t("products.create"),
  });
  return agreed ? input.value.trim() : null;
}

function card(product) {
  const { name, good, defects, versions, active, job } = product;
  const state = active ? el("span", { class: "badge good" }, icon("check"), t("products.inspects", { number: active })) : el("span", { class: "badge queued" }, icon("clock"), t("products.no_version"));
  return el("li", {}, el("a", { class: "sheet product-card", href: addressOf(`product/${encodeURIComponent(name)}`) },
    el("h2", {}, name), state,
    el("p", { class: "soft" }, [count(good, "good_photos"), defects > 0 && count(defects, "defect_photos"), versions > 0 && count(versions, "versions")].filter(Boolean).join(", ")),
    el("p", {}, job ? jobWords(job) : advice(product))));
}

/** A model that was given as a folder: a product without photos and versions. */
const served = (name) => el("li", {}, el("a", { class: "sheet product-card", href: addressOf(`product/${encodeURIComponent(name)}/line`) }, el("h2", {}, name), el("p", { class: "soft" }, t("products.is_folder"))));

/** What an empty studio offers. */
function start(demos, tryDemo) {
  const buttons = demos.map((name) => el("button", { type: "button", disabled: !may("train"), onclick: () => tryDemo(name) }, name));
  return el("section", { "aria-labelledby": "start" },
    empty(t("products.none"), t("products.none_why")),
    el("h2", { id: "start" }, t("products.demo")), el("p", { class: "soft" }, t("products.demo_why")), el("div", { class: "row" }, buttons));
}
