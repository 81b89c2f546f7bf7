/** A board to draw regions on an image: rectangles, polygons and a brush, by pointer, keys or numbers. */

import { el, svg } from "./dom.js";
import { say } from "./notice.js";
import { brushed, crossesItself, rectangle, roiFile } from "./outlines.js";
import { load } from "./pictures.js";
import { t } from "./text.js";

const TOOLS = ["rectangle", "polygon", "brush"].map((name) => [name, t(`region.${name}`)]);
const KINDS = ["look", "ignore"].map((name) => [name, t(`region.${name}`)]);

/** A rectangle by its edges in percent: for the keyboard, and for exact ones. */
export function byNumbers(board) {
  const edges = [["left", 10], ["top", 10], ["right", 90], ["bottom", 90]].map(([edge, value]) => [edge, el("input", { type: "number", min: "0", max: "100", value: String(value) })]);
  function add(event) {
    event.preventDefault();
    const [left, top, right, bottom] = edges.map(([, input]) => Number(input.value) / 100);
    if (left >= right || top >= bottom) return say(t("region.order"));
    board.addRelative([[left, top], [right, bottom]]);
  }
  const fields = edges.map(([edge, input]) => el("label", { class: "field inline" }, el("span", {}, t(`region.${edge}`)), input));
  return el("form", { class: "row edges", onsubmit: add, "aria-label": t("region.edges") }, fields, el("button", {}, t("region.add")));
}

/** The image with what is drawn over it, and the tools; `excludes`: whether areas can be drawn that do not count. */
export function drawing({ signal, changed, excludes = true }) {
  const picture = el("img", { alt: "" });
  const drawn = svg("g");
  const draft = svg("g", { class: "draft" });
  const paper = svg("svg", { class: "paper", role: "img", "aria-label": t("region.drawing"), tabindex: "0" }, drawn, draft);
  const stage = el("div", { class: "stage region-stage" }, picture, paper);
  const hint = el("p", { class: "soft", role: "status" });
  const size = el("input", { type: "range", min: "1", max: "20", value: "5" });
  const shapes = [];
  let [tool, kind, width, height, points] = ["rectangle", "look", 1, 1, []];

  const radius = () => (Number(size.value) / 100) * Math.min(width, height);
  const outlines = () => (tool === "brush" ? brushed(points, radius()) : [tool === "rectangle" && points.length === 2 ? rectangle(...points) : points]);
  const path = (polygons) => polygons.map((each) => `M${each.map((point) => point.join(" ")).join("L")}Z`).join("");
  const near = ([x, y], [u, v]) => Math.hypot(x - u, y - v) < 0.02 * Math.min(width, height);

  function at(event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(paper.getScreenCTM().inverse());
    return [Math.min(width, Math.max(0, point.x)), Math.min(height, Math.max(0, point.y))];
  }
  function redraw() {
    drawn.replaceChildren(...shapes.map((shape) => svg("path", { class: shape.kind, d: path(shape.polygons) })));
    draft.replaceChildren(...(points.length ? [svg("path", { class: kind, d: path(outlines()) }), svg("circle", { cx: points[0][0], cy: points[0][1], r: 0.01 * Math.min(width, height) })] : []));
    changed();
  }
  function add(polygons) {
    points = [];
    if (polygons.length && polygons[0].length >= 3) shapes.push({ kind, polygons });
    redraw();
  }
  function close() {
    if (points.length < 3) return giveUp();
    if (crossesItself(points)) return say(t("region.crosses"));
    add(outlines());
  }
  function giveUp() {
    points = [];
    redraw();
  }
  function undo() {
    shapes.pop();
    giveUp();
  }
  function down(event) {
    event.preventDefault();
    paper.focus({ preventScroll: true });
    const point = at(event);
    if (tool !== "polygon") {
      paper.setPointerCapture(event.pointerId);
      points = [point];
    } else if (points.length > 2 && near(point, points[0])) {
      return close();
    } else {
      points.push(point);
    }
    redraw();
  }
  function move(event) {
    if (!points.length || !paper.hasPointerCapture(event.pointerId)) return;
    if (tool === "rectangle") points = [points[0], at(event)];
    if (tool === "brush" && !near(at(event), points.at(-1))) points.push(at(event));
    redraw();
  }
  function up() {
    if (tool === "brush" && points.length) add(outlines());
    if (tool === "rectangle" && points.length) {
      const isDrawn = points.length === 2 && points[0][0] !== points[1][0] && points[0][1] !== points[1][1];
      add(isDrawn ? outlines() : []);
    }
  }
  function key(event) {
    if (event.key === "Enter" && tool === "polygon") close();
    if (event.key === "Escape") giveUp();
  }
  for (const [name, listener] of Object.entries({ pointerdown: down, pointermove: move, pointerup: up, keydown: key })) paper.addEventListener(name, listener, { signal });

  function group(label, choices, current, choose) {
    const buttons = choices.map(([value, words]) => el("button", { type: "button", "aria-pressed": String(value === current), onclick: () => press(value) }, words));
    function press(value) {
      buttons.forEach((button, place) => button.setAttribute("aria-pressed", String(choices[place][0] === value)));
      choose(value);
      giveUp();
    }
    return el("div", { class: "switch", role: "group", "aria-label": label }, buttons);
  }
  function choose(value) {
    tool = value;
    hint.textContent = t(`region.hint_${tool}`);
  }
  choose(tool);
  const tools = el("div", { class: "row" },
    excludes && group(t("region.area"), KINDS, kind, (value) => (kind = value)),
    group(t("region.tool"), TOOLS, tool, choose),
    el("label", { class: "field inline" }, el("span", {}, t("region.brush_size")), size),
    el("button", { type: "button", onclick: undo }, t("region.undo")),
    el("button", { type: "button", onclick: () => (shapes.splice(0), giveUp()) }, t("region.clear")),
    hint);

  return {
    stage,
    tools,
    shapes,
    file: () => roiFile(shapes, width, height),
    addRelative: ([first, second]) => add([rectangle([first[0] * width, first[1] * height], [second[0] * width, second[1] * height])]),
    async show(inspection, until) {
      const [was, wasHigh] = [width, height];
      ({ width, height } = inspection);
      for (const shape of shapes) shape.polygons = shape.polygons.map((points) => points.map(([x, y]) => [(x / was) * width, (y / wasHigh) * height]));
      paper.setAttribute("viewBox", `0 0 ${width} ${height}`);
      picture.alt = inspection.name;
      giveUp();
      await load(picture, inspection.url, until);
    },
  };
}
