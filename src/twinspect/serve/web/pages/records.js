/** Every calibration record of a model, newest first: who, when, why; and the way back to an old one. */

import { get, post } from "../api.js";
import { askReason } from "../dialog.js";
import { el } from "../dom.js";
import { icon } from "../icons.js";
import { may, whyNot } from "../me.js";
import { attempt, say } from "../notice.js";
import { number, percent, when } from "../words.js";

const SOURCES = { bundle: "came with the model", confirmed: "from images marked good", rate: "another rate", rollback: "rolled back" };

/** @param {{root: HTMLElement, model: object, signal: AbortSignal, refresh: () => void}} context */
export async function records({ root, model, signal, refresh }) {
  const path = `/v1/models/${encodeURIComponent(model.name)}`;
  root.append(el("h2", { id: "records" }, "Records"), el("p", { class: "soft" }, "Never overwritten: each change adds one, and each can be brought back. ", whyNot("admin", "Bringing one back")));
  const { calibrations } = await get(`${path}/calibrations`, {}, signal);

  async function rollBack(record) {
    const sentence = `Record ${record.id} promised at most ${percent(record.false_alarm_rate)} false alarms with the threshold ${number(record.threshold)}. A new record with its content comes into force.`;
    const reason = await askReason(`Roll back to record ${record.id}`, sentence, "Roll back");
    if (!reason) return;
    await post(`${path}/rollback`, { calibration_id: record.id, reason }, signal);
    say(`Record ${record.id} is in force again.`);
    await refresh();
  }
  const rows = calibrations.map((record) => row(record, record.id === model.calibration.id, () => attempt(root, () => rollBack(record))));
  const head = ["Record", "Rate", "Threshold", "Images", "When", "Who and why", ""].map((word) => el("th", { scope: "col" }, word));
  root.append(el("table", { class: "sheet rows" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows)));
}

function row(record, active, onclick) {
  const state = active
    ? el("span", { class: "badge good" }, icon("check"), "In force")
    : may("admin") && el("button", { type: "button", onclick, "aria-label": `Roll back to record ${record.id}` }, "Roll back");
  return el("tr", {},
    el("th", { scope: "row" }, `${record.id}, ${SOURCES[record.source] ?? record.source}`),
    el("td", { class: "digits", "data-head": "Rate" }, percent(record.false_alarm_rate)),
    el("td", { class: "digits", "data-head": "Threshold" }, number(record.threshold)),
    el("td", { class: "digits", "data-head": "Images" }, String(record.images)),
    el("td", { "data-head": "When" }, when(record.created_at)),
    el("td", { class: "why", "data-head": "Who and why" }, [record.created_by, record.reason].filter(Boolean).join(": ") || "–"),
    el("td", {}, state));
}
