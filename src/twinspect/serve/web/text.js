/** The page's texts in the reader's language: the browser's, or the one chosen in the header. */

import { TEXTS } from "./texts/all.js";

const KEY = "twinspect.language";

/** The languages there are; the place of each is its column in the table. */
export const LANGUAGES = { en: "English", de: "Deutsch" };
export const language = chosen();
const column = Object.keys(LANGUAGES).indexOf(language);
const plural = new Intl.PluralRules(language);
document.documentElement.lang = language;

/**
 * A text of the table.
 * @param {string} key
 * @param {Object<string, string|number>} values what stands for `{name}`; by `n`, "one | many" are told apart
 */
export const t = (key, values = {}) => pieces(key, values).join("");

/**
 * A text with elements in it, as children for `el`.
 * @param {Object<string, Node|string|number>} values
 * @returns {(string|Node)[]}
 */
export function pieces(key, values) {
  const told = form(row(key)[column], values.n).split(/\{(\w+)\}/);
  return told.map((piece, place) => (place % 2 ? valued(key, piece, values) : piece)).filter((piece) => piece !== "");
}

/** The text of a name that the server gives, or else the name itself. */
export function named(prefix, name) {
  const key = `${prefix}.${name.replaceAll(" ", "_")}`;
  return Object.hasOwn(TEXTS, key) ? t(key) : name;
}

/** Read the page in another language; what it shows is loaded anew. */
export function chooseLanguage(code) {
  localStorage.setItem(KEY, code);
  location.reload();
}

function chosen() {
  const wanted = [localStorage.getItem(KEY), ...navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase())];
  return wanted.find((code) => Object.hasOwn(LANGUAGES, code)) ?? "en";
}

function row(key) {
  if (!Object.hasOwn(TEXTS, key)) throw new Error(`no text ${key}`);
  return TEXTS[key];
}

function form(text, n) {
  const [one, many] = text.split(" | ");
  return many === undefined || plural.select(n) === "one" ? one : many;
}

function valued(key, name, values) {
  if (values[name] === undefined) throw new Error(`text ${key} needs ${name}`);
  return values[name] instanceof Node ? values[name] : String(values[name]);
}
