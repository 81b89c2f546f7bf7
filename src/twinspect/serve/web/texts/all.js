/** One table of all texts: key, English, German. `{name}` stands for a value, "one | many" for its number `n`. */

import { CHARTS } from "./charts.js";
import { FRAME } from "./frame.js";
import { IMAGES } from "./images.js";
import { LINE } from "./line.js";
import { LISTS } from "./lists.js";
import { LIVE } from "./live.js";
import { PRODUCTS } from "./products.js";
import { REGION } from "./region.js";

export const TEXTS = { ...FRAME, ...IMAGES, ...LINE, ...LISTS, ...LIVE, ...PRODUCTS, ...CHARTS, ...REGION };
