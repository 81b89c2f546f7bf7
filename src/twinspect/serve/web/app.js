/** The page's frame: which tab is open, which model is looked at, keys that work everywhere. */

import { el, empty } from "./dom.js";
import { icon } from "./icons.js";
import { addKeys, showHelp } from "./keys.js";
import { isStudio, loadMe } from "./me.js";
import { chooseModel, currentModel, fillModelList, loadModels, warnings } from "./models.js";
import { problem, say } from "./notice.js";
import { drift } from "./pages/drift.js";
import { feedback } from "./pages/feedback.js";
import { history } from "./pages/history.js";
import { inspect } from "./pages/inspect.js";
import { inspection } from "./pages/inspection.js";
import { live } from "./pages/live.js";
import { product } from "./pages/product.js";
import { products } from "./pages/products.js";
import { region } from "./pages/region.js";
import { threshold } from "./pages/threshold.js";
import { asked } from "./route.js";
import { LANGUAGES, chooseLanguage, language, pieces, t } from "./text.js";

/** The pages that tabs lead to, in their order, and others. */
const TABS = { products, inspect, live, history, feedback, threshold, drift, region };
const PAGES = { ...TABS, inspection, product };
/** The tabs that pages without one belong to. */
const PARENTS = { inspection: "history", product: "products" };
/** Those that need no model that is served. */
const WITHOUT_MODEL = ["products", "product", "inspection"];
const NAMES = Object.keys(TABS);

const main = document.getElementById("main");
const list = document.getElementById("model");
let open = new AbortController();

const title = (name) => t(`page.${name}`);
/** Where nothing is asked for, images are inspected, or else a first product is made. */
const opened = () => (Object.hasOwn(PAGES, asked().name) ? asked().name : currentModel() || !isStudio() ? "inspect" : "products");

/** Open the tab that the address names; whatever the one before was doing ends. */
async function show() {
  open.abort();
  open = new AbortController();
  const { signal } = open;
  let root = el("div", { class: "page" });
  try {
    await Promise.all([loadModels(), loadMe()]);
    if (signal.aborted) return;
    const name = opened();
    if (name === "product") chooseModel(asked().rest[0]);
    document.title = `${title(name)} · twinspect`;
    markTab(name);
    root = el("div", { class: `page ${name}` });
    main.replaceChildren(root);
    fillModelList(list);
    document.getElementById("warnings").replaceChildren(...warnings(currentModel(), name));
    const hasAll = currentModel() || WITHOUT_MODEL.includes(name);
    await (hasAll ? PAGES[name]({ root, model: currentModel(), signal, refresh: show }) : noModel(root));
  } catch (error) {
    if (signal.aborted) return;
    main.replaceChildren(root);
    root.append(problem(error) ?? "", el("button", { type: "button", onclick: show }, t("frame.try_again")));
    if (!error.isTold) throw error;
  }
}

function noModel(root) {
  const advice = isStudio()
    ? pieces("frame.train_first", { products: el("a", { href: "#/products" }, t("page.products")) })
    : pieces("frame.start_with", { command: el("code", {}, "twinspect serve parts.twin") });
  root.append(empty(t("frame.no_model"), advice));
}

function markTab(name) {
  for (const link of document.querySelectorAll("#tabs a")) {
    const isOpen = link.hash === `#/${PARENTS[name] ?? name}`;
    if (isOpen) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    if (isOpen) link.scrollIntoView({ block: "nearest", inline: "nearest" }); // on a phone the tabs scroll
  }
}

function toggleTheme() {
  say(t(`theme.is_${window.twinspectTheme.toggle()}`));
  nameTheme();
}

function nameTheme() {
  const other = window.twinspectTheme.current() === "dark" ? "light" : "dark";
  const button = document.getElementById("theme");
  button.setAttribute("aria-label", t(`theme.use_${other}`));
  button.title = `${t(`theme.use_${other}`)} (t)`;
  button.replaceChildren(icon(other === "dark" ? "moon" : "sun"));
}

/** The texts and the choice of a language that the header has from the start. */
function fillFrame() {
  for (const place of document.querySelectorAll("[data-text]")) place.textContent = t(place.dataset.text);
  for (const place of document.querySelectorAll("[data-label]")) place.setAttribute("aria-label", t(place.dataset.label));
  document.getElementById("help").title = `${t("frame.help")} (?)`;
  const languages = document.getElementById("language");
  languages.append(...Object.entries(LANGUAGES).map(([code, name]) => el("option", { value: code, lang: code, title: name, selected: code === language }, code.toUpperCase())));
  languages.addEventListener("change", () => chooseLanguage(languages.value));
}

function go(name) {
  location.hash = `#/${name}`;
}

/** The page of a product belongs to it: another one has its own. */
function lookAtChosen() {
  chooseModel(list.value);
  if (asked().name === "product") go(`product/${encodeURIComponent(list.value)}`);
  else show();
}

function start() {
  document.getElementById("tabs").append(...NAMES.map((name) => el("a", { href: `#/${name}` }, icon(name), el("span", {}, title(name)))));
  fillFrame();
  document.getElementById("theme").addEventListener("click", toggleTheme);
  document.getElementById("help").addEventListener("click", showHelp);
  list.addEventListener("change", lookAtChosen);
  document.querySelector(".skip").addEventListener("click", (event) => (event.preventDefault(), main.focus()));
  const tabs = NAMES.map((name, place) => [String(place + 1), { words: t("keys.page", { page: title(name) }), run: () => go(name) }]);
  addKeys({ "?": { words: t("keys.this_list"), run: showHelp }, t: { words: t("keys.theme"), run: toggleTheme }, ...Object.fromEntries(tabs) }, document.body);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", nameTheme);
  nameTheme();
  addEventListener("hashchange", () => {
    for (const viewer of document.querySelectorAll("dialog.viewer")) viewer.close();
    show().then(() => main.focus({ preventScroll: true }));
  });
  show();
}

start();
