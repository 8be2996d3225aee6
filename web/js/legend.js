// The legend: what each class means, with a galaxy of that class, drawn by the project's renderer.

import { CLASSES } from "./classes.js";
import { glyph, make } from "./parts.js";

const SIDE = 192; // pixels of the drawings

/** Fills a list with the classes of the vocabulary. */
export function showLegend(list) {
  for (const [name, { label, words, shape }] of CLASSES) {
    const drawing = make("img", "drawing");
    // Before its address, or it would not be lazy.
    drawing.loading = "lazy";
    Object.assign(drawing, { src: `shapes/${name}.webp`, alt: "", width: SIDE, height: SIDE, decoding: "async" });
    const entry = make("li", "", drawing, make("h3", "", glyph(shape), label), make("p", "", words));
    entry.dataset.class = name;
    list.append(entry);
  }
}
