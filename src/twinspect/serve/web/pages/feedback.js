/** Feedback: one image after the other, one key each; and those where people and the model disagree. */

import { get } from "../api.js";
import { el, empty } from "../dom.js";
import { attempt, say } from "../notice.js";
import { pieces, t } from "../text.js";
import { count } from "../words.js";
import { workbench } from "../workbench.js";

const MOST = 48;
const QUEUES = [
  { key: "open", path: "/v1/inspections", filter: { feedback: "none" }, onward: true },
  { key: "flagged", path: "/v1/inspections", filter: { feedback: "none", decision: "anomalous" }, onward: true },
  { key: "disagree", path: "/v1/feedback/disagreements", filter: {}, onward: false },
];

/** @param {{root: HTMLElement, model: object, signal: AbortSignal}} context */
export async function feedback({ root, model, signal }) {
  let queue = QUEUES[0];
  let waiting = 0;
  const remark = el("p", { class: "soft", role: "status" });
  const place = el("div", {});
  const bench = workbench({ signal, label: t("feedback.to_judge"), onfeedback: judged });
  const buttons = QUEUES.map((each) => el("button", { type: "button", onclick: () => turn(each) }, t(`feedback.${each.key}`)));

  function turn(to) {
    queue = to;
    buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(QUEUES[index] === queue)));
    return attempt(root, show);
  }
  async function show() {
    const page = await get(queue.path, { model: model.name, limit: MOST, ...queue.filter }, signal);
    waiting = page.total;
    place.replaceChildren(page.inspections.length ? bench.element : await nothing(queue, model, signal));
    bench.show(page.inspections);
    tell(page.inspections.length);
  }
  function tell(shown) {
    remark.textContent = waiting > shown ? t("feedback.newest", { images: count(waiting, "images"), shown }) : count(waiting, "images");
  }
  /** On to the next one; after the last of a portion the queue is asked again. */
  function judged(inspection) {
    if (!queue.onward) return;
    const at = bench.current;
    bench.step(1);
    if (bench.current === at) turn(queue).then(() => say(t("feedback.last", { name: inspection.name })));
  }

  root.append(
    el("h1", {}, t("page.feedback")),
    el("p", { class: "lead soft" }, pieces("feedback.lead", { g: el("kbd", {}, "g"), d: el("kbd", {}, "d"), u: el("kbd", {}, "u"), threshold: el("a", { href: "#/threshold" }, t("page.threshold")) })),
    el("div", { class: "row" }, el("div", { class: "switch", role: "group", "aria-label": t("feedback.queue") }, buttons), remark),
    place,
  );
  await turn(queue);
}

/** An empty queue means that all is judged only where something was scored at all. */
async function nothing({ key }, model, signal) {
  const { total } = await get("/v1/inspections", { model: model.name, limit: 1 }, signal);
  if (total) return empty(t(`feedback.no_${key}`), t(`feedback.no_${key}_why`));
  return empty(t("feedback.nothing"), pieces("feedback.nothing_why", { inspect: el("a", { href: "#/inspect" }, t("page.inspect")) }));
}
