/** A form for one of several kinds of settings, built from what each kind needs. */

import { openDialog } from "../dialog.js";
import { el, select } from "../dom.js";
import { t } from "../text.js";

/**
 * Ask for settings.
 * @param {string} title
 * @param {Object<string, object[]>} kinds of each, its fields: `{name, type, value?, required?, minlength?}`
 * @param {string} prefix of the texts: `prefix.kind_KIND` and `prefix.field_NAME`
 * @param {object[]} [shared] fields that every kind has
 * @returns {Promise<{kind: string, values: object, shared: object}|null>}
 */
export async function askSettings(title, kinds, prefix, shared = []) {
  const place = el("div", { class: "step" });
  const general = shared.map((field) => control(field, prefix));
  const names = Object.keys(kinds);
  const which = select(t(`${prefix}.kind`), names.map((kind) => [kind, t(`${prefix}.kind_${kind}`)]), names[0], () => fill());
  const kind = () => which.querySelector("select").value;
  let own = [];

  function fill() {
    own = kinds[kind()].map((field) => control(field, prefix));
    place.replaceChildren(el("p", { class: "soft" }, t(`${prefix}.hint_${kind()}`)), ...own.map(({ element }) => element));
  }
  fill();
  const agreed = await openDialog(title, { body: [which, place, ...general.map(({ element }) => element)], accept: t("settings.add") });
  return agreed ? { kind: kind(), values: read(own), shared: read(general) } : null;
}

const read = (controls) => Object.fromEntries(controls.map(({ name, value }) => [name, value()]).filter(([, value]) => value !== undefined));

function control({ name, type, value, required = false, minlength = null, choices }, prefix) {
  const words = t(`${prefix}.field_${name}`);
  if (choices) {
    const list = select(words, choices.map((each) => [each, t(`${prefix}.${name}_${each}`)]), value);
    return { name, element: list, value: () => list.querySelector("select").value };
  }
  const input = el("input", { type, name, required, minlength, value: type === "checkbox" ? null : value, checked: type === "checkbox" && value, autocomplete: "off", step: type === "number" ? "any" : null, min: type === "number" ? "0" : null });
  if (type === "checkbox") return { name, element: el("label", { class: "check" }, input, words), value: () => input.checked };
  const given = () => (input.value === "" ? undefined : type === "number" ? Number(input.value) : input.value);
  return { name, element: el("label", { class: "field" }, el("span", {}, words), input), value: given };
}
