/** Feedback: one image after the other, one key each; and those where people and the model disagree. */

import { get } from "../api.js";
import { el, empty } from "../dom.js";
import { attempt, say } from "../notice.js";
import { count } from "../words.js";
import { workbench } from "../workbench.js";

const MOST = 48;
const QUEUES = [
  { key: "open", words: "Not judged yet", path: "/v1/inspections", filter: { feedback: "none" }, onward: true },
  { key: "flagged", words: "Flagged, not judged", path: "/v1/inspections", filter: { feedback: "none", decision: "anomalous" }, onward: true },
  { key: "disagree", words: "Disagreements", path: "/v1/feedback/disagreements", filter: {}, onward: false },
];
const EMPTY = {
  open: ["Every image has been judged", "New ones appear here as soon as they are scored."],
  flagged: ["No flagged image waits", "Images called anomalous appear here until somebody has judged them."],
  disagree: ["Nobody contradicts the model", "Images marked good that it flagged, and defects that it missed, appear here."],
};

/** @param {{root: HTMLElement, model: object, signal: AbortSignal}} context */
export async function feedback({ root, model, signal }) {
  let queue = QUEUES[0];
  let waiting = 0;
  const remark = el("p", { class: "soft", role: "status" });
  const place = el("div", {});
  const bench = workbench({ signal, label: "Images to judge", onfeedback: judged });
  const buttons = QUEUES.map((each) => el("button", { type: "button", onclick: () => turn(each) }, each.words));

  function turn(to) {
    queue = to;
    buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(QUEUES[index] === queue)));
    return attempt(root, show);
  }
  async function show() {
    const page = await get(queue.path, { model: model.name, limit: MOST, ...queue.filter }, signal);
    waiting = page.total;
    place.replaceChildren(page.inspections.length ? bench.element : empty(...EMPTY[queue.key]));
    bench.show(page.inspections);
    tell(page.inspections.length);
  }
  function tell(shown) {
    remark.textContent = waiting > shown ? `${count(waiting, "image")}, the newest ${shown} shown.` : count(waiting, "image");
  }
  /** On to the next one; after the last of a portion the queue is asked again. */
  function judged(inspection) {
    if (!queue.onward) return;
    const at = bench.current;
    bench.step(1);
    if (bench.current === at) turn(queue).then(() => say(`${inspection.name} was the last one here.`));
  }

  root.append(
    el("h1", {}, "Feedback"),
    el("p", { class: "lead soft" }, "Say what each part really is: ", el("kbd", {}, "g"), " good, ", el("kbd", {}, "d"), " defect, ", el("kbd", {}, "u"), " unsure. It changes no threshold by itself; the ", el("a", { href: "#/threshold" }, "Threshold"), " page uses what was marked good when you ask for it."),
    el("div", { class: "row" }, el("div", { class: "switch", role: "group", "aria-label": "Queue" }, buttons), remark),
    place,
  );
  await turn(queue);
}
