/** Where results go: webhooks, MQTT and folders, each with what waits for it. */

import { get, post, send } from "../api.js";
import { openDialog } from "../dialog.js";
import { el, facts } from "../dom.js";
import { icon } from "../icons.js";
import { may } from "../me.js";
import { attempt, say } from "../notice.js";
import { t } from "../text.js";
import { number, when } from "../words.js";
import { askSettings } from "./settings_form.js";

const KINDS = {
  webhook: [{ name: "url", type: "url", required: true }, { name: "secret", type: "password", minlength: "16" }],
  mqtt: [
    { name: "host", type: "text", required: true }, { name: "port", type: "number", value: "8883" }, { name: "tls", type: "checkbox", value: true },
    { name: "user", type: "text" }, { name: "password", type: "password" }, { name: "topic", type: "text", value: "twinspect/{product}/results" },
  ],
  folder: [{ name: "path", type: "text", required: true }, { name: "image", type: "checkbox" }, { name: "overlay", type: "checkbox" }],
};
const SHARED = [{ name: "results", choices: ["all", "anomalous"], value: "all" }, { name: "per_second", type: "number" }];
const STATES = { idle: ["good", "check"], sending: ["queued", "clock"], failing: ["anomalous", "alert"], disabled: ["queued", "clock"] };

/** @param {{root: HTMLElement, path: string, signal: AbortSignal}} context */
export async function sinks({ root, path, signal }) {
  const list = el("div", { class: "step" });
  const add = el("button", { type: "button", disabled: !may("admin"), onclick: () => attempt(root, create) }, t("sinks.add"));

  async function show() {
    const { sinks: found } = await get(`${path}/sinks`, {}, signal);
    list.replaceChildren(...(found.length ? found.map((sink) => card(sink, act)) : [el("p", { class: "soft" }, t("sinks.none"))]));
  }
  async function create() {
    const given = await askSettings(t("sinks.title"), KINDS, "sinks", SHARED);
    if (!given) return;
    await post(`${path}/sinks`, { target: { kind: given.kind, ...given.values }, ...given.shared }, signal);
    await show();
  }
  /** Do something with a sink, and show what became of it. */
  function act(work) {
    return attempt(root, async () => {
      await work();
      await show();
    });
  }
  root.append(el("div", { class: "row" }, el("h2", { class: "grow" }, t("line.to")), add), list);
  await show();
}

function card(sink, act) {
  const { id, kind, results, enabled, state } = sink;
  const address = sink.settings?.path ?? sink.address;
  const [colour, symbol] = STATES[state.state];
  const button = (words, work, disabled = false) => el("button", { type: "button", disabled: disabled || !may("admin"), onclick: () => act(work) }, words);
  return el("article", { class: "sheet", "aria-label": `${t(`sinks.kind_${kind}`)} ${address}` },
    el("div", { class: "row" }, el("h3", { class: "grow" }, `${t(`sinks.kind_${kind}`)} → ${address}`), el("span", { class: `badge ${colour}` }, icon(symbol), t(`sinks.is_${state.state}`))),
    state.error && el("p", { class: "problem" }, state.error),
    facts([
      [t("sinks.field_results"), t(`sinks.results_${results}`)],
      [t("sinks.waiting"), String(state.waiting)],
      [t("sinks.given_up"), state.given_up > 0 && String(state.given_up)],
      [t("sinks.last"), state.last_sent_at && when(state.last_sent_at)],
      [t("sinks.next"), state.next_attempt_at && when(state.next_attempt_at)],
    ].filter(([, value]) => value)),
    el("div", { class: "row" },
      button(t("sinks.test"), () => test(id)),
      button(t(enabled ? "sinks.switch_off" : "sinks.switch_on"), () => send("PATCH", `/v1/sinks/${id}`, { enabled: !enabled })),
      state.given_up > 0 && button(t("sinks.again"), () => post(`/v1/sinks/${id}/send_again`, { deliveries: null })),
      button(t("sinks.remove"), () => remove(id, address))));
}

async function test(id) {
  const { sent, error, milliseconds } = await post(`/v1/sinks/${id}/test`, {});
  say(sent ? t("sinks.test_sent", { time: number(milliseconds) }) : t("sinks.test_failed", { error: error ?? "" }));
}

async function remove(id, address) {
  const agreed = await openDialog(t("sinks.remove_title", { address }), { body: [el("p", {}, t("sinks.remove_why"))], accept: t("sinks.remove") });
  if (agreed) await send("DELETE", `/v1/sinks/${id}`);
}
