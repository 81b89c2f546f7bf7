/** Outlines that a person draws, as polygons in shares of width and height: pure functions. */

const CORNERS = 12;

/** The four corners of a rectangle between two points. */
export const rectangle = ([x, y], [u, v]) => [[x, y], [u, y], [u, v], [x, v]];

/**
 * What a round brush of a radius paints along a line: overlapping discs, near enough to each other to leave no gap.
 * @param {number[][]} line points in pixels
 * @returns {number[][][]} polygons in pixels
 */
export function brushed(line, radius) {
  return spaced(line, radius / 2).map(([x, y]) => Array.from({ length: CORNERS }, (_, corner) => {
    const angle = (2 * Math.PI * corner) / CORNERS;
    return [x + radius * Math.cos(angle), y + radius * Math.sin(angle)];
  }));
}

function spaced(line, step) {
  const points = [line[0]];
  for (const [x, y] of line.slice(1)) {
    const [u, v] = points.at(-1);
    const parts = Math.max(1, Math.ceil(Math.hypot(x - u, y - v) / step));
    for (let part = 1; part <= parts; part += 1) points.push([u + ((x - u) * part) / parts, v + ((y - v) * part) / parts]);
  }
  return points;
}

/** Whether two sides of a polygon cross, so that it is not said what lies inside. */
export function crossesItself(points) {
  const sides = points.map((point, place) => [point, points[(place + 1) % points.length]]);
  return sides.some(([a, b], one) => sides.some(([c, d], other) => other > one + 1 && !(one === 0 && other === sides.length - 1) && cross(a, b, c, d)));
}

const turn = ([ax, ay], [bx, by], [cx, cy]) => Math.sign((bx - ax) * (cy - ay) - (by - ay) * (cx - ax));
const cross = (a, b, c, d) => turn(a, b, c) !== turn(a, b, d) && turn(c, d, a) !== turn(c, d, b);

/** Points in pixels as shares of a width and a height, inside the image. */
export const relative = (points, width, height) =>
  points.map(([x, y]) => [share(x, width), share(y, height)]);

const share = (value, whole) => Number(Math.min(1, Math.max(0, value / whole)).toFixed(5));

/** The file that `--roi` reads: what to look at, and what to ignore within it. */
export function roiFile(shapes, width, height) {
  const of = (kind) => shapes.filter((shape) => shape.kind === kind).flatMap(({ polygons }) => polygons.map((points) => relative(points, width, height)));
  return Object.fromEntries(["look", "ignore"].map((kind) => [kind, of(kind)]).filter(([, polygons]) => polygons.length));
}
