/** Live: the newest result, for a person two metres from the screen; it follows the line by itself. */

import { get, pause } from "../api.js";
import { el, empty } from "../dom.js";
import { icon } from "../icons.js";
import { addKeys } from "../keys.js";
import { verdictPanel } from "../live_panel.js";
import { say } from "../notice.js";
import { loadWhenSeen } from "../pictures.js";
import { draw } from "../stage.js";
import { t } from "../text.js";
import { view } from "../viewer.js";
import { duration, verdict } from "../words.js";

const SECONDS_BETWEEN_LOOKS = 1.5;
const MOST = 20;
/** So many looks at the newest image go by between two at the health of the line. */
const LOOKS_PER_HEALTH = 8;
/** Seconds without an image after which the line is said to stand still. */
const STILL = 60;

/** @param {{root: HTMLElement, model: object, signal: AbortSignal}} context */
export async function live({ root, model, signal }) {
  const picture = el("div", { class: "live-picture" });
  const panel = el("div", { class: "live-panel" });
  const since = el("p", { class: "live-since", role: "status" });
  const strip = el("ol", { class: "strip", "aria-label": t("live.last", { n: MOST }) });
  const tally = el("p", { class: "soft" });
  const lost = el("p", { class: "problem", role: "alert", hidden: true }, t("live.lost"));
  const full = el("button", { type: "button", class: "plain", "aria-label": t("live.full_screen"), title: `${t("live.full_screen")} (f)`, onclick: toggle }, icon("expand"));
  const health = el("p", { class: "warning", role: "status", hidden: true });
  let shown = [];
  let drawing = new AbortController();

  function toggle() {
    const change = document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen();
    return change.catch((error) => say(error.message));
  }
  /** Only what is not as it should be is worth the room. */
  async function lookAtHealth() {
    const { light, reasons } = await get(`/v1/models/${encodeURIComponent(model.name)}/health`, {}, signal);
    health.replaceChildren(...(light === "green" ? [] : reasons.slice(0, 1)));
    health.hidden = light === "green" || !reasons.length;
  }
  async function look() {
    const { inspections } = await get("/v1/inspections", { model: model.name, limit: MOST + 5 }, signal);
    const scored = inspections.filter(({ state }) => state !== "queued").slice(0, MOST);
    const isNew = scored[0]?.id !== shown[0]?.id || scored.length !== shown.length;
    if (isNew || !shown.length) show(scored);
  }
  function show(scored) {
    shown = scored;
    strip.replaceChildren(...scored.map((inspection, index) => mark(inspection, () => view(shown, index))));
    tally.textContent = counted(scored);
    if (!scored.length) return panel.replaceChildren(empty(t("live.waiting"), t("live.waiting_why")));
    panel.replaceChildren(...verdictPanel(scored[0]));
    drawNewest(scored[0]);
  }
  /** The image before stays until the next one is there to be seen. */
  async function drawNewest(inspection) {
    drawing.abort();
    drawing = new AbortController();
    const stage = el("div", { class: "stage" });
    const until = AbortSignal.any([signal, drawing.signal]);
    await draw(stage, inspection, until).catch(() => {}); // without its map where other weights score now
    if (!until.aborted) picture.replaceChildren(stage);
  }
  function tell() {
    const newest = shown[0];
    const seconds = newest ? (Date.now() - new Date(newest.scored_at ?? newest.accepted_at)) / 1000 : 0;
    const stands = seconds >= STILL;
    since.className = `live-since ${stands ? "still" : ""}`;
    const words = newest ? t(stands ? "live.still" : "live.ago", { time: duration(seconds) }) : "";
    if (since.textContent !== words) since.textContent = words;
  }

  root.append(
    el("div", { class: "row live-head" }, el("h1", { class: "grow" }, model.name), since, full),
    lost, health,
    el("div", { class: "live-now" }, picture, panel),
    el("div", { class: "row" }, el("h2", { class: "grow" }, t("live.last", { n: MOST })), tally),
    strip);
  addKeys({ f: { words: t("live.full_screen"), run: toggle } }, root, signal);
  await follow({ look, lookAtHealth, tell, lost, signal });
}

/** Look again and again; a server that is gone for a while is waited for. */
async function follow({ look, lookAtHealth, tell, lost, signal }) {
  for (let looks = 0; !signal.aborted; looks += 1) {
    try {
      await look();
      if (looks % LOOKS_PER_HEALTH === 0) await lookAtHealth();
      lost.hidden = true;
    } catch (error) {
      if (signal.aborted) return;
      if (!error.isTold) throw error;
      lost.hidden = false;
    }
    tell();
    await pause(1000 * SECONDS_BETWEEN_LOOKS, signal).catch(() => {});
  }
}

function mark(inspection, onclick) {
  const { kind, word, icon: name } = verdict(inspection);
  const picture = inspection.image?.url && loadWhenSeen(el("img", { alt: "" }), `/v1/inspections/${inspection.id}/thumbnail`);
  return el("li", {}, el("button", { type: "button", class: `mark ${kind}`, "aria-label": `${word}, ${inspection.name}`, title: inspection.name, onclick }, picture, el("span", { class: `shape ${kind}` }, icon(name))));
}

function counted(inspections) {
  const kinds = inspections.map((each) => verdict(each).kind);
  const many = (kind) => kinds.filter((each) => each === kind).length;
  return t("live.tally", { good: many("good"), anomalous: many("anomalous"), other: many("failed") });
}
