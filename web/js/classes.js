// The vocabulary of classes, in plain words. A class that is not listed here is shown by its own name.

export const CLASSES = new Map([
  ["round_smooth", {
    label: "Round and smooth",
    short: "Round",
    words: "A round glow without arms or a disk: an elliptical galaxy.",
    shape: "round",
  }],
  ["in_between_smooth", {
    label: "Oval and smooth",
    short: "Oval",
    words: "A featureless oval, between round and cigar-shaped.",
    shape: "oval",
  }],
  ["cigar_smooth", {
    label: "Cigar-shaped",
    short: "Cigar",
    words: "Smooth and strongly elongated, like a cigar.",
    shape: "cigar",
  }],
  ["edge_on", {
    label: "Edge-on disk",
    short: "Edge-on",
    words: "A thin disk of stars that we see from the side.",
    shape: "edge-on",
  }],
  ["spiral", {
    label: "Spiral",
    short: "Spiral",
    words: "A disk that we see from above, with spiral arms.",
    shape: "spiral",
  }],
]);

/** A name as people write it. */
export const spaced = (name) => name.replaceAll("_", " ");

/** What to show for a class name: {label, short, words, shape}. */
export function describeClass(name) {
  return CLASSES.get(name) ?? { label: spaced(name), short: spaced(name), words: "", shape: "unknown" };
}

/** Class names in the order of the vocabulary; names it does not know come last, in their own order. */
export function inOrder(names) {
  const known = [...CLASSES.keys()].filter((name) => names.includes(name));
  return [...known, ...names.filter((name) => !CLASSES.has(name))];
}
