/** Files from a drop, a paste or a picker. Folders that are dropped are walked through. */

import { t } from "./text.js";
/** Drops and pastes count wherever on the page they happen. */
export function receiveFiles(signal, take) {
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

/** @returns {Promise<File[]>} the files of a drop, folders included */
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = [...transfer.files]; // read before the first wait: afterwards a drop is empty
  if (!entries.some(({ isDirectory }) => isDirectory)) return files;
  return (await Promise.all(entries.map(walk))).flat();
}

/** @returns {File[]} the images of a paste, named by the time, as the clipboard calls each of them the same */
function pasted(transfer) {
  const time = new Date().toTimeString().slice(0, 8).replaceAll(":", ".");
  const images = [...transfer.files].filter(({ type }) => type.startsWith("image/"));
  return images.map((file, place) => new File([file], `${t("inspect.pasted", { time })}${place ? ` ${place + 1}` : ""}.${suffix(file)}`, { type: file.type }));
}

const suffix = ({ type }) => type.split("/")[1].split("+")[0];

async function walk(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const files = await Promise.all((await children(entry)).map(walk));
  return files.flat();
}

/** A reader hands out a folder's entries in portions, and an empty one at the end. */
async function children(folder) {
  const reader = folder.createReader();
  const all = [];
  for (;;) {
    const portion = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!portion.length) return all;
    all.push(...portion);
  }
}
