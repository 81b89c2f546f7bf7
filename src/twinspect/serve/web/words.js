/** Numbers, times and decisions in words. */

import { el } from "./dom.js";

/** A raw score, in four digits. */
export function number(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  return size !== 0 && (size >= 1e5 || size < 1e-3) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

/** A share in [0, 1] as a percentage, in three digits. */
export const percent = (share) => `${Number((100 * share).toPrecision(3))} %`;

/** A p-value. */
export const chance = (p) => (p === null || p === undefined ? "–" : p < 1e-4 ? "below 0.0001" : String(Number(p.toPrecision(2))));

/** A whole sentence of words that the server gives to be put into one. */
export const sentence = (words) => `${words[0].toUpperCase()}${words.slice(1)}.`;

/** How many of something: `count(1, "image")`, `count(3, "image")`. */
export const count = (many, thing, things = `${thing}s`) => `${many} ${many === 1 ? thing : things}`;

const CLOCK = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** A moment, in this reader's time zone; the exact one stays in the element. */
export function when(iso) {
  return iso ? el("time", { datetime: iso, title: iso }, moment(iso)) : "–";
}

/** The same as plain text. */
export const moment = (iso) => CLOCK.format(new Date(iso));

/** From one moment to another; what they share is said once. */
export const span = (from, to) => CLOCK.formatRange(new Date(from), new Date(to));

const VERDICTS = {
  good: { kind: "good", word: "Good", icon: "check" },
  anomalous: { kind: "anomalous", word: "Anomalous", icon: "alert" },
  not_inspectable: { kind: "failed", word: "Not inspectable", icon: "question" },
  failed: { kind: "failed", word: "Not scored", icon: "cross" },
  queued: { kind: "queued", word: "Waiting", icon: "clock" },
};

/** What the model decided: a kind, a word and an icon, so that colour is never alone. */
export function verdict(inspection) {
  if (inspection.state !== "done") return VERDICTS[inspection.state === "failed" ? "failed" : "queued"];
  if (inspection.is_inspectable === false) return VERDICTS.not_inspectable;
  return VERDICTS[inspection.is_anomalous ? "anomalous" : "good"];
}

/** What people can say of an image: key, value, word, icon. */
export const OPINIONS = [
  { key: "g", value: "good", word: "Good", icon: "check" },
  { key: "d", value: "defect", word: "Defect", icon: "alert" },
  { key: "u", value: "unsure", word: "Unsure", icon: "question" },
];

/** Whether a person contradicted the model. */
export function disagrees(inspection) {
  const said = inspection.feedback?.verdict;
  if (inspection.is_inspectable === false) return false;
  return (said === "good" && inspection.is_anomalous) || (said === "defect" && inspection.is_anomalous === false);
}

/** Controls, separators of lines, marks of writing direction, halves of pairs; and a backslash before `uXXXX`. */
const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]|\\(?=u[0-9a-f]{4})/g;

/** A file's name as the server spells it. */
export const spelled = (name) => name.replace(UNSAFE, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`);
