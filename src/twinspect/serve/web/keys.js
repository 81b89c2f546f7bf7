/**
 * One-key commands. Each page adds its own; the help window lists those that work at the moment. They keep quiet
 * while someone types, and can be switched off (speech input and shaky hands press letters that nobody meant).
 */

import { el } from "./dom.js";
import { openDialog, topDialog } from "./dialog.js";
import { t } from "./text.js";

const KEY = "twinspect.keys";
const layers = [];

/** @returns {boolean} whether one-key commands are on */
const on = () => localStorage.getItem(KEY) !== "off";

/**
 * Add commands that work as long as `signal` is not aborted.
 * @param {Object<string, {words: string, run: () => void, shown?: string, active?: () => boolean}>} commands by
 *   `KeyboardEvent.key`; `shown` is how the help names it, `active` says whether it works where the focus is
 * @param {Element} place where they belong: while a modal window is open, only those inside it work
 */
export function addKeys(commands, place, signal) {
  const layer = { commands, place };
  layers.push(layer);
  signal?.addEventListener("abort", () => layers.splice(layers.indexOf(layer), 1), { once: true });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !on() || takesKeys(event.target, event.key)) return;
  const command = within().map(({ commands }) => commands[event.key]).findLast((found) => found?.active?.() ?? found);
  if (!command) return;
  event.preventDefault();
  command.run();
});

function within() {
  const window = topDialog();
  return layers.filter(({ place }) => !window || window.contains(place));
}

/** Text fields and lists take every key, sliders and the like only those that move them. */
function takesKeys(target, key) {
  if (target.matches("textarea, select, input:not([type=range], [type=checkbox], [type=radio])")) return true;
  return target.matches("input") && (key.startsWith("Arrow") || ["Home", "End", "PageUp", "PageDown"].includes(key));
}

/** Open the list of keys. */
export function showHelp() {
  const rows = within().flatMap(({ commands }) => Object.entries(commands));
  const list = rows.map(([key, { words, shown }]) => el("div", {}, el("dt", {}, el("kbd", {}, shown ?? key)), el("dd", {}, words)));
  const box = el("input", { type: "checkbox", checked: on(), onchange: () => localStorage.setItem(KEY, box.checked ? "on" : "off") });
  return openDialog(t("keys.title"), {
    body: [
      el("dl", { class: "keys" }, list),
      el("label", { class: "check" }, box, t("keys.on")),
      el("p", { class: "soft" }, t("keys.without")),
    ],
  });
}
