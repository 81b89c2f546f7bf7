/**
 * Elements built from plain values. Every string becomes a text node or an attribute, so nothing that a server,
 * a file name or a person wrote is ever parsed as HTML.
 */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Build an HTML element.
 * @param {string} tag
 * @param {Object<string, unknown>} properties attributes; `onclick` and the like are listeners; false and null are left out
 * @param {...(Node|string|null|false|Array)} children
 */
export function el(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children);
}

/** Build an SVG element, likewise. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) put(node, name, value);
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function put(node, name, value) {
  if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
  else if (value === true) node.setAttribute(name, "");
  else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
}

/** A <select> with its label. `choices` are [value, words] pairs. */
export function select(label, choices, value, onchange) {
  const options = choices.map(([key, words]) => el("option", { value: key, selected: key === value }, words));
  return el("label", { class: "field" }, el("span", {}, label), el("select", { onchange }, options));
}

/** A definition list of [term, value] pairs; pairs without a value are left out. */
export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el("dl", { class: "facts" }, shown.map(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value))));
}

/** What stands where there is nothing yet: what it would be, and what to do. */
export function empty(title, ...advice) {
  return el("div", { class: "empty" }, el("h2", {}, title), el("p", {}, ...advice));
}
