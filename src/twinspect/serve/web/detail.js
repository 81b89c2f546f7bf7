/** One inspection, large: the part, its heat map, the verdict in words, and what a person says of it. */

import { post } from "./api.js";
import { el, facts } from "./dom.js";
import { badge, icon } from "./icons.js";
import { may, whyNot } from "./me.js";
import { marking } from "./marking.js";
import { attempt, say } from "./notice.js";
import { download } from "./pictures.js";
import { pointerValue } from "./pointer_value.js";
import { regionList } from "./regions.js";
import { addressOf } from "./route.js";
import { scaleBar } from "./scale.js";
import { draw } from "./stage.js";
import { term } from "./term.js";
import { pieces, t } from "./text.js";
import { OPINIONS, chance, disagrees, lowered, number, rarity, sentence, when } from "./words.js";

/** How the reader likes to look; kept from one image to the next. */
const view = { blend: 70, contours: true, boxes: true, full: false };

/**
 * @param {object} inspection as the server gives it
 * @param {{signal: AbortSignal, onfeedback?: (inspection: object) => void}} options
 * @returns {{element: HTMLElement, keys: object}} the element, and its one-key commands for `addKeys`
 */
export function detail(inspection, { signal, onfeedback }) {
  const stage = el("div", { class: "stage" });
  const controls = tools(stage, inspection);
  const element = el("article", { class: "detail", "aria-label": inspection.name });
  const judge = opinions(inspection, element, signal, onfeedback);
  element.append(conclusion(inspection), el("div", { class: "look" }, stage, controls.element, legend(stage, inspection, signal)), el("div", { class: "side" }, measured(inspection), regionList(inspection, stage, controls.enlarge), judge.element));
  attempt(element, () => draw(stage, inspection, signal).then(controls.apply));
  return { element, keys: { ...judge.keys, ...controls.keys } };
}

function tools(stage, inspection) {
  const slider = el("input", { type: "range", min: "0", max: "100", step: "5", value: String(view.blend), oninput: read });
  const shown = el("output", {});
  const contours = el("input", { type: "checkbox", checked: view.contours, onchange: read });
  const boxed = el("input", { type: "checkbox", checked: view.boxes, onchange: read });
  const full = el("input", { type: "checkbox", checked: view.full, onchange: read });
  const raw = el("button", { type: "button", class: "link", onclick: save }, t("detail.raw_map"));

  function read() {
    Object.assign(view, { blend: Number(slider.value), contours: contours.checked, boxes: boxed.checked, full: full.checked });
    apply();
  }
  function apply() {
    shown.textContent = view.blend === 0 ? t("detail.original") : `${view.blend} %`;
    stage.classList.toggle("full", view.full);
    const [heat, drawn, found] = [stage.querySelector(".heat"), stage.querySelector(".contours"), stage.querySelector(".boxes")];
    if (heat) heat.style.opacity = String(view.blend / 100);
    drawn?.classList.toggle("gone", !view.contours);
    found?.classList.toggle("gone", !view.boxes);
  }
  function save() {
    return attempt(stage, () => download(`/v1/inspections/${inspection.id}/map?format=npz`, `${inspection.name}.npz`));
  }
  function move(step) {
    slider.value = String(view.blend + step);
    read();
  }
  apply();
  const element = el("div", { class: "row look-tools" },
    el("label", { class: "field inline grow" }, el("span", {}, t("detail.heat_map")), slider, shown),
    el("label", { class: "check", title: t("detail.contours_mean") }, contours, t("detail.contours")),
    Boolean(inspection.regions?.length) && el("label", { class: "check", title: t("detail.boxes_mean") }, boxed, t("detail.boxes")),
    el("label", { class: "check" }, full, t("detail.actual_size")),
    inspection.state === "done" && raw);
  const keys = {
    "[": { words: t("detail.less_heat"), run: () => move(-10) },
    "]": { words: t("detail.more_heat"), run: () => move(10) },
    c: { words: t("detail.toggle_contours"), run: () => contours.click() },
    z: { words: t("detail.toggle_size"), run: () => full.click() },
  };
  const enlarge = () => {
    full.checked = true;
    read();
  };
  return { element, apply, enlarge, keys };
}

/** What the colours mean, and the value under the pointer. */
function legend(stage, inspection, signal) {
  return inspection.map_url && el("div", { class: "row legend-row" }, inspection.map_scale && scaleBar(inspection.map_scale), pointerValue(stage, inspection, signal));
}

/** Name, verdict, and how rare such a score is. */
function conclusion(inspection) {
  const scored = inspection.state === "done";
  const unfit = inspection.not_inspectable && t("detail.unfit", { why: inspection.not_inspectable });
  const words = unfit ? unfit : scored ? t("detail.rare", { words: rarity(inspection.in_words) }) : (inspection.error ?? t("detail.waits"));
  return el("div", { class: "conclusion" },
    el("h2", { class: "name" }, inspection.name),
    el("p", { class: "verdict" }, badge(inspection)),
    el("p", { class: "in-words" }, words),
    inspection.notice && el("p", { class: "problem", role: "status" }, sentence(inspection.notice)));
}

function measured(inspection) {
  const result = inspection.state !== "done" ? [] : [
    [term("score"), number(inspection.score)],
    [term("threshold"), number(inspection.threshold)],
    [term("p_value"), chance(inspection.p_value)],
    [term("calibration"), t("detail.record", { number: inspection.calibration_id })],
  ];
  return facts([
    ...result,
    [t("detail.model"), inspection.model],
    [t("detail.category"), inspection.category],
    [t("detail.size"), `${inspection.width} × ${inspection.height} px`],
    [t("detail.received"), when(inspection.accepted_at)],
    [t("detail.address"), el("a", { href: addressOf(`inspection/${inspection.id}`) }, t("inspection.title", { number: inspection.id }))],
  ]);
}

/** The three buttons; what is said is sent at once. */
function opinions(inspection, element, signal, onfeedback) {
  const comment = el("input", { type: "text", maxlength: "500", value: inspection.feedback?.comment ?? "", placeholder: t("words.optional") });
  const remark = el("p", { class: "soft remark", "aria-live": "polite" });
  const buttons = OPINIONS.map(({ key, value, word, icon: name }) =>
    el("button", { type: "button", class: `opinion ${value}`, onclick: () => send(value) }, el("span", {}, icon(name), " ", word), el("kbd", { "aria-hidden": "true" }, key)));

  let sending = false;
  async function send(value, region = null) {
    if (sending) return; // a key pressed twice is one opinion
    sending = true;
    const sent = { inspection_id: inspection.id, verdict: value, comment: comment.value.trim(), ...(region && { region }) };
    await attempt(element, async () => {
      inspection.feedback = await post("/v1/feedback", sent);
      say(t("detail.marked", { name: inspection.name, verdict: lowered(t(`opinion.${value}`)) }));
      show();
      onfeedback?.(inspection);
    });
    sending = false;
  }
  function show() {
    const said = inspection.feedback;
    buttons.forEach((button, place) => button.setAttribute("aria-pressed", String(OPINIONS[place].value === said?.verdict)));
    remark.replaceChildren(...(said ? remarks(inspection) : [whyNot("inspect", "judge") || t("detail.nothing_changes")]));
  }
  show();
  const open = may("inspect") && inspection.state !== "queued";
  const keys = open && Object.fromEntries(OPINIONS.map(({ key, value, word }) => [key, { words: t("detail.mark_as", { verdict: lowered(word) }), run: () => send(value) }]));
  return {
    keys,
    element: el("fieldset", { class: "judge", disabled: !open },
      el("legend", {}, t("detail.really")), el("div", { class: "row" }, buttons),
      inspection.image?.url && marking(inspection, signal, (region) => send("defect", region)),
      el("label", { class: "field" }, el("span", {}, t("detail.comment")), comment), remark),
  };
}

function remarks(inspection) {
  const { verdict, by, at } = inspection.feedback;
  const values = { verdict: lowered(t(`opinion.${verdict}`)), when: when(at) };
  const said = by ? pieces("detail.marked_by", { ...values, who: by }) : pieces("detail.marked_at", values);
  const more = [inspection.feedback.region && t("detail.has_mark"), disagrees(inspection) && t("detail.contradicts")].filter(Boolean);
  return [...said, ...more.map((words) => ` ${words}`)];
}
