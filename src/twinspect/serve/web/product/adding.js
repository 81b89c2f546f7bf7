/** How photos come to a product: files and folders by drop, choice or paste, from a camera, from what was inspected. */

import { post } from "../api.js";
import { el } from "../dom.js";
import { receiveFiles } from "../files.js";
import { icon } from "../icons.js";
import { may } from "../me.js";
import { attempt, say } from "../notice.js";
import { t } from "../text.js";
import { sent } from "../upload.js";
import { count } from "../words.js";
import { takePhotos } from "./camera.js";
import { chooseInspected } from "./inspected.js";

/** @param {{root: HTMLElement, product: object, path: string, signal: AbortSignal, added: () => void}} context */
export function adding({ root, product, path, signal, added }) {
  const progress = el("progress", { max: "1", value: "0", class: "gone", "aria-label": t("adding.progress") });
  const status = el("p", { class: "soft status", role: "status" });
  const refused = el("ul", { class: "refused", "aria-label": t("adding.refused") });
  const picker = el("input", { type: "file", multiple: true, accept: "image/*,.tif,.tiff,.bmp,.heic,.heif,.avif,.dcm", class: "hidden", tabindex: "-1", "aria-hidden": "true" });
  const folder = el("input", { type: "file", webkitdirectory: true, class: "hidden", tabindex: "-1", "aria-hidden": "true" });
  const roles = ["good", "defect"].map((role) => el("label", { class: "check" }, el("input", { type: "radio", name: "role", value: role, checked: role === "good" }), t(`adding.${role}`)));
  const role = () => roles.find((label) => label.firstChild.checked).firstChild.value;
  const button = (words, picture, onclick, main = false) => el("button", { type: "button", class: main ? "main" : null, disabled: !may("train"), onclick }, icon(picture), words);

  async function take(files) {
    if (!may("train")) return undefined;
    if (!files.length) return say(t("inspect.no_files"));
    refused.replaceChildren();
    progress.classList.remove("gone");
    await attempt(root, () => upload(files));
    progress.classList.add("gone");
    return added();
  }
  async function upload(files) {
    const all = { photos: [], duplicates: [], refused: [] };
    const tell = (more) => (status.textContent = more ?? t("adding.done", { done: Object.values(all).flat().length, photos: count(files.length, "photos") }));
    const waiting = (seconds) => tell(t("adding.busy", { seconds }));
    tell();
    for await (const part of sent(`${path}/photos?role=${role()}`, files, { signal, waiting })) {
      for (const kind of Object.keys(all)) all[kind].push(...part[kind]);
      progress.value = Object.values(all).flat().length / files.length;
      tell();
    }
    outcome(all);
  }
  function outcome({ photos, duplicates, refused: not }) {
    status.textContent = [t("adding.added", { photos: count(photos.length, "photos") }), duplicates.length && t("adding.duplicates", { n: duplicates.length }), not.length && t("adding.not", { n: not.length })].filter(Boolean).join(" ");
    refused.replaceChildren(...not.map(({ name, error }) => el("li", {}, el("b", {}, name), ` ${error.message}`)));
  }
  async function fromInspected() {
    const numbers = await chooseInspected(product.name, signal);
    if (!numbers.length) return;
    outcome(await post(`${path}/photos/from-inspections`, { inspection_ids: numbers, role: role() }, signal));
    added();
  }

  picker.addEventListener("change", () => take([...picker.files]).then(() => (picker.value = "")));
  folder.addEventListener("change", () => take([...folder.files].filter(({ name }) => !name.startsWith("."))).then(() => (folder.value = "")));
  receiveFiles(signal, take);
  return el("section", { class: "sheet", "aria-labelledby": "adding" },
    el("h2", { id: "adding" }, t("adding.title")),
    el("p", { class: "soft" }, t("adding.how")),
    el("fieldset", { class: "row plain-set" }, el("legend", { class: "hidden" }, t("adding.show")), roles),
    el("div", { class: "row" },
      button(t("adding.files"), "upload", () => picker.click(), true), button(t("adding.folder"), "upload", () => folder.click()),
      button(t("adding.camera"), "camera", () => takePhotos(take)), button(t("adding.inspected"), "history", () => attempt(root, fromInspected)), picker, folder),
    el("p", { class: "soft" }, t("adding.drop")),
    el("div", { class: "row" }, progress, status), refused);
}
