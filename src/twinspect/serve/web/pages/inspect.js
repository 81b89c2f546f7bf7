/** Inspect: drop, paste or choose images, or look at what a watched folder brings. */

import { get, pause } from "../api.js";
import { batchFilter } from "../batch_filter.js";
import { el, select } from "../dom.js";
import { receiveFiles } from "../files.js";
import { icon } from "../icons.js";
import { addKeys } from "../keys.js";
import { may, whyNot } from "../me.js";
import { attempt, say } from "../notice.js";
import { t } from "../text.js";
import { scored } from "../upload.js";
import { count } from "../words.js";
import { workbench } from "../workbench.js";

const SECONDS_BETWEEN_LOOKS = 4;
const MOST_FROM_A_FOLDER = 60;

/** The batch of this visit: it is still there when the reader comes back from another page, not from another model. */
let batch = [];

/** @param {{root: HTMLElement, model: object, signal: AbortSignal}} context */
export async function inspect({ root, model, signal }) {
  batch = batch.filter((each) => each.model === model.name);
  const bench = workbench({ signal, label: t("inspect.batch") });
  const progress = el("progress", { max: "1", value: "0", "aria-label": t("inspect.scored"), class: "gone" });
  const status = el("p", { class: "soft status", role: "status" });
  const stop = el("button", { type: "button", class: "gone" }, t("inspect.stop"));
  const picker = el("input", { type: "file", multiple: true, accept: "image/*,.tif,.tiff,.bmp,.heic,.heif,.avif,.dcm", class: "hidden", tabindex: "-1", "aria-hidden": "true" });
  const choose = el("button", { type: "button", class: "main", disabled: !may("inspect"), onclick: () => picker.click() }, icon("upload"), t("inspect.choose"));
  const zone = el("div", { class: "zone" }, el("p", { class: "zone-words" }, t("inspect.drop")), choose, el("p", { class: "soft zone-note" }, whyNot("inspect", "score") || t("inspect.formats")), picker);
  const categories = model.categories ?? [];
  const category = categories.length > 1 ? select(t("detail.category"), [["", t("words.any")], ...categories.map((name) => [name, name])], "") : null;
  const folders = el("div", {});
  const filter = batchFilter(arrange);
  const hidden = el("p", { class: "soft", role: "status" });
  let watching = null;

  function clear() {
    watching?.abort();
    batch = [];
    arrange();
  }
  function arrange() {
    const shown = filter.apply(batch);
    root.classList.toggle("has-results", batch.length > 0);
    wipe.hidden = !batch.length;
    filter.element.hidden = batch.length < 2;
    bench.show(shown, Math.max(0, shown.indexOf(bench.inspection)));
    hidden.textContent = !shown.length && batch.length ? t("inspect.none_fits") : shown.length < batch.length ? t("inspect.shown", { shown: shown.length, images: count(batch.length, "images") }) : "";
  }
  function add(inspections) {
    batch = [...batch, ...inspections];
    arrange();
  }
  async function take(files) {
    if (!may("inspect")) return say(whyNot("inspect", "score"));
    if (!files.length) return say(t("inspect.no_files"));
    watching?.abort();
    await attempt(root, () => score(files));
    for (const part of [progress, stop]) part.classList.add("gone");
  }
  async function score(files) {
    const given_up = new AbortController();
    const until = AbortSignal.any([signal, given_up.signal]);
    let done = 0;
    stop.onclick = () => given_up.abort();
    for (const part of [progress, stop]) part.classList.remove("gone");
    const at = () => t("inspect.progress", { done, images: count(files.length, "images") });
    const tell = (text = at()) => {
      progress.value = done / files.length;
      status.textContent = text;
    };
    tell();
    const waiting = (seconds) => tell(t("inspect.busy", { progress: at(), seconds }));
    until.addEventListener("abort", () => tell(t("inspect.stopped", { progress: at() })), { once: true });
    const options = { model: model.name, category: category?.querySelector("select").value, signal: until, waiting };
    for await (const inspections of scored(files, options)) {
      done += inspections.length;
      add(inspections);
      tell();
    }
    status.textContent = summary(batch);
  }
  async function watch(name) {
    clear();
    if (!name) return;
    watching = new AbortController();
    const until = AbortSignal.any([signal, watching.signal]);
    await attempt(root, () => follow(name, until));
  }
  async function follow(name, until) {
    for (let newest = 0; ; ) {
      const page = await get("/v1/inspections", { model: model.name, source: "watch", folder: name, limit: MOST_FROM_A_FOLDER }, until);
      const fresh = page.inspections.filter(({ id, state }) => id > newest && state !== "queued");
      if (fresh.length) {
        newest = fresh[0].id;
        batch = [...fresh, ...batch].slice(0, MOST_FROM_A_FOLDER);
        arrange();
      }
      status.textContent = batch.length ? `${name}: ${summary(batch)}` : t("inspect.nothing_yet", { name, seconds: SECONDS_BETWEEN_LOOKS });
      await pause(1000 * SECONDS_BETWEEN_LOOKS, until);
    }
  }

  const wipe = el("button", { type: "button", onclick: () => (clear(), (status.textContent = "")), hidden: true }, t("inspect.clear"));
  root.append(
    el("h1", {}, t("page.inspect")),
    el("div", { class: "intake sheet" }, zone, category, folders, wipe),
    el("div", { class: "row" }, progress, stop, status),
    filter.element,
    hidden,
    bench.element,
  );
  picker.addEventListener("change", () => take([...picker.files]).then(() => (picker.value = "")));
  receiveFiles(signal, take);
  addKeys({ o: { words: t("inspect.choose"), run: () => picker.click() } }, root, signal);
  arrange();
  await attempt(root, async () => folders.append(...(await folderChoice(model, signal, watch))));
}

/** A list of watched folders, where there are any. */
async function folderChoice(model, signal, watch) {
  const { folders } = await get("/v1/folders", {}, signal);
  const names = folders.filter((folder) => folder.model === model.name).map(({ name }) => [name, name]);
  if (!names.length) return [];
  return [select(t("inspect.folder"), [["", t("inspect.no_folder")], ...names], "", ({ target }) => watch(target.value))];
}

function summary(inspections) {
  const anomalous = inspections.filter((each) => each.is_anomalous).length;
  const refused = inspections.filter((each) => each.error).length;
  const unfit = inspections.filter((each) => each.is_inspectable === false).length;
  const parts = [count(inspections.length, "images"), t("inspect.anomalous", { n: anomalous }), unfit && t("inspect.unfit", { n: unfit }), refused && t("inspect.refused", { n: refused })];
  return `${parts.filter(Boolean).join(", ")}.`;
}
