/** Inspect: drop, paste or choose images, or look at what a watched folder brings. */

import { get, pause } from "../api.js";
import { el, select } from "../dom.js";
import { dropped, pasted } from "../files.js";
import { icon } from "../icons.js";
import { addKeys } from "../keys.js";
import { may, whyNot } from "../me.js";
import { attempt, say } from "../notice.js";
import { scored } from "../upload.js";
import { count } from "../words.js";
import { workbench } from "../workbench.js";

const SECONDS_BETWEEN_LOOKS = 4;
const MOST_FROM_A_FOLDER = 60;

/** The batch of this visit: it is still there when the reader comes back from another page. */
let batch = [];

/** @param {{root: HTMLElement, model: object, signal: AbortSignal}} context */
export async function inspect({ root, model, signal }) {
  const bench = workbench({ signal, label: "Images of this batch" });
  const progress = el("progress", { max: "1", value: "0", "aria-label": "Images scored", class: "gone" });
  const status = el("p", { class: "soft status", role: "status" });
  const stop = el("button", { type: "button", class: "gone" }, "Stop");
  const picker = el("input", { type: "file", multiple: true, accept: "image/*,.tif,.tiff,.bmp,.heic,.heif,.avif,.dcm", class: "hidden", tabindex: "-1", "aria-hidden": "true" });
  const choose = el("button", { type: "button", class: "main", disabled: !may("inspect"), onclick: () => picker.click() }, icon("upload"), "Choose images");
  const zone = el("div", { class: "zone" }, el("p", { class: "zone-words" }, "Drop images or a folder here, or paste them."), choose, el("p", { class: "soft zone-note" }, whyNot("inspect", "Scoring images") || "PNG, JPEG, TIFF, BMP or WebP, in grey or colour. They stay on the machine that runs this server."), picker);
  const categories = model.categories ?? [];
  const category = categories.length > 1 ? select("Category", [["", "any"], ...categories.map((name) => [name, name])], "") : null;
  const folders = el("div", {});
  let watching = null;

  function clear() {
    watching?.abort();
    batch = [];
    bench.show([]);
    arrange();
  }
  function arrange() {
    root.classList.toggle("has-results", batch.length > 0);
    wipe.hidden = !batch.length;
  }
  function add(inspections) {
    batch = [...batch, ...inspections];
    bench.add(inspections);
    arrange();
  }
  async function take(files) {
    if (!may("inspect")) return say(whyNot("inspect", "Scoring images"));
    if (!files.length) return say("That held no image files.");
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
    const tell = (more = "") => {
      progress.value = done / files.length;
      status.textContent = `${done} of ${count(files.length, "image")} scored${more}`;
    };
    tell();
    const waiting = (seconds) => tell(`; the server is busy, next try in ${seconds} s`);
    until.addEventListener("abort", () => tell("; stopped"), { once: true });
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
        bench.show(batch);
        arrange();
      }
      status.textContent = batch.length ? `${name}: ${summary(batch)}` : `Nothing has arrived in ${name} yet; this page looks every ${SECONDS_BETWEEN_LOOKS} s.`;
      await pause(1000 * SECONDS_BETWEEN_LOOKS, until);
    }
  }

  const wipe = el("button", { type: "button", onclick: () => (clear(), (status.textContent = "")), hidden: true }, "Clear");
  root.append(
    el("h1", {}, "Inspect"),
    el("div", { class: "intake sheet" }, zone, category, folders, wipe),
    el("div", { class: "row" }, progress, stop, status),
    bench.element,
  );
  picker.addEventListener("change", () => take([...picker.files]).then(() => (picker.value = "")));
  receive(root, signal, take);
  addKeys({ o: { words: "Choose images", run: () => picker.click() } }, root, signal);
  bench.show(batch);
  arrange();
  await attempt(root, async () => folders.append(...(await folderChoice(model, signal, watch))));
}

/** A list of watched folders, where there are any. */
async function folderChoice(model, signal, watch) {
  const { folders } = await get("/v1/folders", {}, signal);
  const names = folders.filter((folder) => folder.model === model.name).map(({ name }) => [name, name]);
  if (!names.length) return [];
  return [select("Watched folder", [["", "none"], ...names], "", ({ target }) => watch(target.value))];
}

/** Drops and pastes count wherever on the page they happen. */
function receive(root, signal, take) {
  const over = (event) => {
    event.preventDefault();
    document.body.classList.toggle("dropping", event.type === "dragover");
  };
  document.addEventListener("dragover", over, { signal });
  document.addEventListener("dragleave", over, { signal });
  document.addEventListener("drop", (event) => (over(event), dropped(event.dataTransfer).then(take)), { signal });
  document.addEventListener("paste", (event) => {
    const files = pasted(event.clipboardData);
    if (files.length) take(files);
  }, { signal });
}

function summary(inspections) {
  const anomalous = inspections.filter((each) => each.is_anomalous).length;
  const refused = inspections.filter((each) => each.error).length;
  const unfit = inspections.filter((each) => each.is_inspectable === false).length;
  const parts = [count(inspections.length, "image"), `${anomalous} anomalous`, unfit && `${unfit} not inspectable`, refused && `${refused} not scored`];
  return `${parts.filter(Boolean).join(", ")}.`;
}
