/** The page's frame: which tab is open, which model is looked at, keys that work everywhere. */

import { el, empty } from "./dom.js";
import { icon } from "./icons.js";
import { addKeys, showHelp } from "./keys.js";
import { loadMe } from "./me.js";
import { chooseModel, currentModel, fillModelList, loadModels, warnings } from "./models.js";
import { problem, say } from "./notice.js";
import { drift } from "./pages/drift.js";
import { feedback } from "./pages/feedback.js";
import { history } from "./pages/history.js";
import { inspect } from "./pages/inspect.js";
import { region } from "./pages/region.js";
import { threshold } from "./pages/threshold.js";

const PAGES = { inspect, history, threshold, drift, feedback, region };
const NAMES = Object.keys(PAGES);

const main = document.getElementById("main");
const list = document.getElementById("model");
let open = new AbortController();

const title = (name) => name[0].toUpperCase() + name.slice(1);
const asked = () => location.hash.slice(2);
const opened = () => (NAMES.includes(asked()) ? asked() : NAMES[0]);

/** Open the tab that the address names; whatever the one before was doing ends. */
async function show() {
  open.abort();
  open = new AbortController();
  const { signal } = open;
  const name = opened();
  document.title = `${title(name)} · twinspect`;
  markTab(name);
  const root = el("div", { class: `page ${name}` });
  try {
    await Promise.all([loadModels(), loadMe()]);
    if (signal.aborted) return;
    main.replaceChildren(root);
    fillModelList(list);
    document.getElementById("warnings").replaceChildren(...warnings(currentModel(), name));
    await (currentModel() ? PAGES[name]({ root, model: currentModel(), signal, refresh: show }) : noModel(root));
  } catch (error) {
    if (signal.aborted) return;
    main.replaceChildren(root);
    root.append(problem(error) ?? "", el("button", { type: "button", onclick: show }, "Try again"));
    if (!error.isTold) throw error;
  }
}

function noModel(root) {
  root.append(empty("No model is served", "Start the server with one: ", el("code", {}, "twinspect serve parts.twin")));
}

function markTab(name) {
  for (const link of document.querySelectorAll("#tabs a")) {
    if (link.hash === `#/${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function toggleTheme() {
  say(`${title(window.twinspectTheme.toggle())} colours.`);
  nameTheme();
}

function nameTheme() {
  const other = window.twinspectTheme.current() === "dark" ? "light" : "dark";
  const button = document.getElementById("theme");
  button.setAttribute("aria-label", `Use ${other} colours`);
  button.title = `Use ${other} colours (t)`;
  button.replaceChildren(icon(other === "dark" ? "moon" : "sun"));
}

function go(name) {
  location.hash = `#/${name}`;
}

function start() {
  document.getElementById("tabs").append(...NAMES.map((name) => el("a", { href: `#/${name}` }, icon(name), el("span", {}, title(name)))));
  document.getElementById("theme").addEventListener("click", toggleTheme);
  document.getElementById("help").addEventListener("click", showHelp);
  list.addEventListener("change", () => (chooseModel(list.value), show()));
  document.querySelector(".skip").addEventListener("click", (event) => (event.preventDefault(), main.focus()));
  const tabs = NAMES.map((name, place) => [String(place + 1), { words: `${title(name)} page`, run: () => go(name) }]);
  addKeys({ "?": { words: "This list", run: showHelp }, t: { words: "Light or dark", run: toggleTheme }, ...Object.fromEntries(tabs) }, document.body);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", nameTheme);
  nameTheme();
  addEventListener("hashchange", () => show().then(() => main.focus({ preventScroll: true })));
  show();
}

start();
