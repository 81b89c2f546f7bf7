/** Where images come from: cameras and folders, each with what it sees at the moment. */

import { get, pause, post, send } from "../api.js";
import { openDialog } from "../dialog.js";
import { el, facts } from "../dom.js";
import { icon } from "../icons.js";
import { may } from "../me.js";
import { attempt, say } from "../notice.js";
import { load } from "../pictures.js";
import { t } from "../text.js";
import { verdict, when } from "../words.js";
import { askSettings } from "./settings_form.js";

const KINDS = {
  usb: [{ name: "device", type: "number", value: "0", required: true }],
  rtsp: [{ name: "url", type: "text", required: true, value: "rtsp://" }, { name: "user", type: "text" }, { name: "password", type: "password" }],
  folder: [{ name: "path", type: "text", required: true }],
};
const SHARED = [{ name: "name", type: "text", required: true }, { name: "interval", type: "number", value: "1" }];
const STATES = { running: ["good", "check"], triggered: ["good", "check"], paused: ["queued", "clock"], starting: ["queued", "clock"], failing: ["anomalous", "alert"] };
const SECONDS_BETWEEN_FRAMES = 1;

/** @param {{root: HTMLElement, path: string, signal: AbortSignal}} context */
export async function sources({ root, path, signal }) {
  const list = el("div", { class: "step" });
  const add = el("button", { type: "button", disabled: !may("admin"), onclick: () => attempt(root, create) }, t("sources.add"));

  async function show() {
    const { sources: found } = await get(`${path}/sources`, {}, signal);
    list.replaceChildren(...(found.length ? found.map((source) => card(source, path, act, signal)) : [el("p", { class: "soft" }, t("sources.none"))]));
  }
  async function create() {
    const given = await askSettings(t("sources.title"), KINDS, "sources", SHARED);
    if (!given) return;
    await post(`${path}/sources`, { name: given.shared.name, interval: given.shared.interval ?? null, origin: { kind: given.kind, ...given.values } }, signal);
    await show();
  }
  function act(work) {
    return attempt(root, async () => {
      await work();
      await show();
    });
  }
  root.append(el("div", { class: "row" }, el("h2", { class: "grow" }, t("line.from")), add), el("p", { class: "soft" }, t("sources.also")), list);
  await show();
}

function card(source, path, act, signal) {
  const { id, name, kind, interval, paused, state } = source;
  const [colour, symbol] = STATES[state.state];
  const button = (words, role, work) => el("button", { type: "button", disabled: !may(role), onclick: () => act(work) }, words);
  const isCamera = kind !== "folder";
  return el("article", { class: "sheet", "aria-label": name },
    el("div", { class: "row" }, el("h3", { class: "grow" }, `${name} · ${t(`sources.kind_${kind}`)}`), el("span", { class: `badge ${colour}` }, icon(symbol), t(`sources.is_${state.state}`))),
    state.error && el("p", { class: "problem" }, state.error),
    facts([
      [t("sources.every"), interval === null ? t("sources.by_trigger") : t("time.second", { n: interval })],
      [t("sources.last_image"), state.last_image_at && when(state.last_image_at)],
      [t("detail.size"), state.width && `${state.width} × ${state.height} px`],
    ]),
    isCamera && liveView(id, name, signal),
    el("div", { class: "row" },
      isCamera && button(t("sources.trigger"), "inspect", () => trigger(path, id)),
      button(t(paused ? "sources.go_on" : "sources.pause"), "admin", () => send("PATCH", `/v1/sources/${id}`, { paused: !paused })),
      button(t("sinks.remove"), "admin", () => remove(id, name))));
}

/** What a camera sees, asked for only while it is looked at. */
function liveView(id, name, signal) {
  const image = el("img", { class: "frame", alt: t("sources.sees", { name }) });
  const status = el("p", { class: "soft" });
  const details = el("details", { ontoggle: () => details.open && follow() }, el("summary", {}, t("sources.live")), image, status);

  async function follow() {
    while (details.open && details.isConnected && !signal.aborted) {
      await load(image, `/v1/sources/${id}/frame?side=960`, signal).then(() => (status.textContent = "")).catch(({ message }) => (status.textContent = message));
      await pause(1000 * SECONDS_BETWEEN_FRAMES, signal).catch(() => {});
    }
  }
  return details;
}

async function trigger(path, source) {
  const inspection = await post(`${path}/trigger`, { source });
  say(`${inspection.name}: ${verdict(inspection).word}`);
}

async function remove(id, name) {
  const agreed = await openDialog(t("sources.remove_title", { name }), { body: [el("p", {}, t("sources.remove_why"))], accept: t("sinks.remove") });
  if (agreed) await send("DELETE", `/v1/sources/${id}`);
}
