// Small pieces that card, large view and comparison share. Everything from outside is set as text, never as markup.

import { describeClass, inOrder } from "./classes.js";
import { percent } from "./results.js";

const SVG = "http://www.w3.org/2000/svg";
// Invisible characters that turn the text after them round: "exe.jpg" could show as "gpj.exe".
const REORDERING = /[\u202a-\u202e\u2066-\u2069]/g;

/** The element of this id. */
export const part = (id) => document.getElementById(id);

/** A new element with a class, and text or children. */
export function make(tag, className = "", ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

/** The drawing of a shape. */
export function glyph(shape) {
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  svg.classList.add("glyph");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#shape-${shape}`);
  svg.append(use);
  return svg;
}

/** Text as it may be shown. */
export const shown = (text) => String(text).replace(REORDERING, "\ufffd");

/** Sets the text of an element, if it is another one: an equal one would be painted and spoken anew. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Rows of a description list: every class with its probability. */
export function bars({ probabilities, class: best }, write = percent) {
  return inOrder(Object.keys(probabilities)).map((name) => {
    const row = make("div", name === best ? "best" : "");
    row.dataset.class = name;
    row.style.setProperty("--share", probabilities[name]);
    row.append(make("dt", "", describeClass(name).short), make("dd", "", write(probabilities[name])));
    return row;
  });
}

/** Words for a prediction: what the class means, and whether to trust it. */
export function wordsFor(prediction) {
  const { words } = describeClass(prediction.class);
  if (!prediction.unsure) return words;
  return `Take it with care: no shape reached ${percent(prediction.unsure_below)}. ${words}`;
}

/** "cosmoformer v3"; empty when no model was needed. */
export const modelOf = (result) => (result?.model ? `${result.model.name} v${result.model.version}` : "");

/** Seconds from upload to answer, as this page saw them or, for a batch opened again, as store and classifier noted them. */
export function secondsOf({ sentAt, ended, result }) {
  if (sentAt && ended) return (ended - sentAt) / 1000;
  const stored = Date.parse(result?.image?.last_modified ?? "");
  const finished = Date.parse(result?.finished ?? "");
  return Number.isFinite(finished - stored) ? Math.max((finished - stored) / 1000, 0) : null;
}

/** A time for people: "0.84 s", "3.1 s", "12 s"; empty for null. */
export function inSeconds(seconds) {
  if (seconds === null) return "";
  const digits = seconds < 1 ? 2 : seconds < 10 ? 1 : 0;
  return `${seconds.toFixed(digits)}\u00a0s`;
}
