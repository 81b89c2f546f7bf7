/** Photos from a camera of this computer or phone: a live view, and a photo on each press. */

import { el } from "../dom.js";
import { shown } from "../dialog.js";
import { t } from "../text.js";
import { count } from "../words.js";

/** Photos are taken as large as the camera can, within this. */
const LARGEST = { width: { ideal: 1920 }, height: { ideal: 1080 } };

/** Take photos until the window is closed; they are handed over together. */
export async function takePhotos(take) {
  const video = el("video", { autoplay: true, muted: true, playsinline: true, "aria-label": t("camera.view"), onloadeddata: () => (shoot.disabled = false) });
  const cameras = el("select", { "aria-label": t("camera.which"), hidden: true, onchange: () => start(cameras.value) });
  const status = el("p", { role: "status" });
  const taken = [];
  const shoot = el("button", { type: "button", class: "main", disabled: true, onclick: photograph }, t("camera.take"));
  const dialog = el("dialog", { class: "viewer camera", "aria-label": t("adding.camera") }, video, el("div", { class: "row" }, shoot, cameras, status, el("span", { class: "grow" }), el("button", { type: "button", onclick: () => dialog.close() }, t("camera.finish"))));
  let stream = null;

  async function start(id) {
    stop();
    stream = await navigator.mediaDevices.getUserMedia({ video: { ...LARGEST, ...(id ? { deviceId: { exact: id } } : {}) } });
    video.srcObject = stream;
    const all = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
    cameras.hidden = all.length < 2;
    if (!cameras.options.length) cameras.append(...all.map(({ deviceId, label }, place) => el("option", { value: deviceId }, label || String(place + 1))));
  }
  function stop() {
    stream?.getTracks().forEach((track) => track.stop());
  }
  async function photograph() {
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    canvas.getContext("2d").drawImage(video, 0, 0);
    const name = `camera ${new Date().toISOString().slice(0, 19).replaceAll(":", ".")} ${taken.length + 1}.png`;
    taken.push(new File([await canvas.convertToBlob({ type: "image/png" })], name, { type: "image/png" }));
    status.textContent = t("camera.taken", { photos: count(taken.length, "photos") });
  }

  const closed = shown(dialog);
  // Browsers show cameras to pages of this machine and to those behind HTTPS only.
  if (navigator.mediaDevices) await start().catch(({ message }) => (status.textContent = t("camera.refused", { why: message })));
  else status.textContent = t("camera.not_here");
  await closed;
  stop();
  if (taken.length) await take(taken);
}
