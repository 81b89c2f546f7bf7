/**
 * Contours of a heat map, from the opacity of its picture. The server draws a pixel at `place` on the fixed scale
 * (0: a typical good pixel, 1/2: a good image's peak, 1: as far again above) with opacity
 * 0.8 ((place - 0.4) / 0.6)^0.7, and nothing below 0.4: a line of equal opacity is a line of equal anomaly.
 */

const STRONGEST = 0.8;
const GROWTH = 0.7;
const BEGIN = 0.4;
/** Maps are smooth: a grid of this size draws the same lines as the full picture, in a few milliseconds. */
const LONGEST_SIDE = 384;

/** The opacity, 0 to 255, of a place on the scale. */
export const opacity = (place) => 255 * STRONGEST * (Math.max(0, place - BEGIN) / (1 - BEGIN)) ** GROWTH;

/**
 * Read the opacity of a picture on a grid.
 * @returns {{width: number, height: number, values: Uint8ClampedArray}}
 */
export function opacities(image) {
  const scale = Math.min(1, LONGEST_SIDE / Math.max(image.naturalWidth, image.naturalHeight));
  const width = Math.max(2, Math.round(image.naturalWidth * scale));
  const height = Math.max(2, Math.round(image.naturalHeight * scale));
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  return { width, height, values: data.filter((_, place) => place % 4 === 3) };
}

/**
 * Trace the line of a level through a grid (marching squares), in coordinates of the grid.
 * Values go on beyond the edge, so that a line ends there and none runs along the frame.
 * @returns {string} the `d` of an SVG path; empty where nothing reaches the level
 */
export function contour({ width, height, values }, level) {
  const inside = (value, length) => Math.min(Math.max(value, 0), length - 1);
  const at = (x, y) => values[inside(y, height) * width + inside(x, width)];
  const parts = [];
  for (let y = -1; y < height; y += 1) {
    for (let x = -1; x < width; x += 1) {
      for (const [from, to] of cell([at(x, y), at(x + 1, y), at(x + 1, y + 1), at(x, y + 1)], level)) {
        parts.push(`M${point(x, y, from)}L${point(x, y, to)}`);
      }
    }
  }
  return parts.join("");
}

/** The one or two pieces of line in a cell whose corners run clockwise from the upper left. */
function cell(corners, level) {
  const crossings = [];
  for (let side = 0; side < 4; side += 1) {
    const [a, b] = [corners[side], corners[(side + 1) % 4]];
    if (a > level !== b > level) crossings.push(onSide(side, (level - a) / (b - a)));
  }
  if (crossings.length < 4) return crossings.length ? [crossings] : [];
  // Saddle: the middle decides which corners belong together.
  const joined = corners.reduce((sum, value) => sum + value) / 4 > level === corners[0] > level;
  const [top, right, bottom, left] = crossings;
  return joined ? [[top, right], [bottom, left]] : [[left, top], [right, bottom]];
}

function onSide(side, share) {
  return [[share, 0], [1, share], [1 - share, 1], [0, 1 - share]][side];
}

/** Values belong to the middles of pixels. */
function point(x, y, [right, down]) {
  return `${(x + right + 0.5).toFixed(2)} ${(y + down + 0.5).toFixed(2)}`;
}
