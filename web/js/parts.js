// Small pieces that card, large view and comparison share. Everything from outside is set as text, never as markup.

import { describeClass, inOrder, spaced } from "./classes.js";
import { percent } from "./results.js";
import { markOf } from "./states.js";

const SVG = "http://www.w3.org/2000/svg";
const SPOKEN_VALUES = 3;
/** How the name of a value ends that is the uncertainty of another one. */
const ERROR = "_error";
// Invisible characters that turn the text after them round: "exe.jpg" could show as "gpj.exe".
const REORDERING = /[\u202a-\u202e\u2066-\u2069]/g;

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

/** A text by which names sort as people count: "2.jpg" before "10.jpg", upper and lower case alike. A collator takes a hundred times as long. */
export const nameKey = (name) => name.normalize("NFKD").toLowerCase().replace(/\d+/g, (digits) => digits.padStart(15, "0"));

/** A sorted copy, by what a function gives for each. */
export function sortedBy(all, keyOf) {
  const keyed = all.map((each) => [keyOf(each), each]);
  keyed.sort(([one], [other]) => (one < other ? -1 : Number(one > other)));
  return keyed.map(([, each]) => each);
}

/** Sets the text of an element, if it is another one: an equal one would be painted and spoken anew. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Fills a list of choices with [value, words], if it has others: what is chosen stays, where it still can be. */
export function offer(list, choices) {
  if (choices.map(([value]) => value).join() === Array.from(list.children, ({ value }) => value).join()) return;
  list.replaceChildren(...choices.map(([value, words]) => new Option(shown(words), value)));
}

/** Rows of a description list: every class with its probability. */
function bars({ probabilities, class: best }, write) {
  return inOrder(Object.keys(probabilities)).map((name) => {
    const row = make("div", name === best ? "best" : "");
    row.dataset.class = name;
    row.style.setProperty("--share", probabilities[name]);
    row.append(make("dt", "", describeClass(name).short), make("dd", "", write(probabilities[name])));
    return row;
  });
}

/** Shows a prediction in a description list: probabilities as bars, or `most` values as numbers. */
export function showRows(list, prediction, { write = percent, most = Infinity } = {}) {
  const values = prediction.class === undefined ? valuesOf(prediction) : null;
  list.hidden = values && !Object.keys(values).length;
  list.classList.toggle("values", Boolean(values));
  list.replaceChildren(...(values ? numbers(values, most) : bars(prediction, write)));
}

function numbers(values, most) {
  const all = Object.entries(values);
  const rows = all.slice(0, most)
    .map(([name, value]) => make("div", "", make("dt", "", shown(spaced(name))), make("dd", "", value)));
  if (all.length > most) rows.push(make("div", "", make("dt", "", "…"), make("dd", "", `${all.length - most} more`)));
  return rows;
}

/** The numbers of a prediction without a class, by name: values, then vote fractions; null where there is a class. */
function numbersOf(prediction) {
  if (prediction.class !== undefined) return null;
  const fractions = Object.entries(prediction.votes ?? {}).flatMap(([question, { fractions: of }]) =>
    Object.entries(of).map(([answer, fraction]) => [`${question}: ${answer}`, inDigits(fraction)]));
  return { ...valuesOf(prediction), ...Object.fromEntries(fractions) };
}

/** The values of a prediction by name, as texts: "54.21 ± 3.1 deg". */
function valuesOf({ values = {}, units = {} }) {
  const isError = (name) => name.endsWith(ERROR) && name.slice(0, -ERROR.length) in values;
  return Object.fromEntries(Object.entries(values).filter(([name]) => !isError(name)).map(([name, value]) => {
    const error = values[`${name}${ERROR}`];
    const around = error === undefined ? "" : ` ± ${inDigits(error, 2)}`;
    return [name, `${inDigits(value)}${around} ${shown(units[name] ?? "")}`.trim()];
  }));
}

/** A number of any size with so many significant digits. */
export const inDigits = (value, digits = 4) => String(Number(Number(value).toPrecision(digits)));

/** What heads a prediction: the class with its drawing, or the name of a task that is no classification. */
export function titleOf(prediction) {
  if (prediction.class === undefined) return [shown(spaced(prediction.task))];
  const { label, shape } = describeClass(prediction.class);
  return [glyph(shape), shown(label)];
}

/** A prediction in one line: "Spiral, 92 %, unsure", or "inclination: angle 61.2". */
export function inOneLine(prediction) {
  const values = numbersOf(prediction);
  if (!values) {
    const share = `${describeClass(prediction.class).label}, ${percent(prediction.confidence)}`;
    return [shown(share), markOf(prediction)?.words].filter(Boolean).join(", ");
  }
  const all = Object.entries(values);
  const said = all.slice(0, SPOKEN_VALUES).map(([name, value]) => `${spaced(name)} ${value}`);
  if (all.length > SPOKEN_VALUES) said.push(`and ${all.length - SPOKEN_VALUES} more`);
  return shown(`${spaced(prediction.task)}: ${said.join(", ")}`);
}

/** What further models say of an item, each with its version and in one line; those that rejected it say why. */
export const othersOf = ({ others }) => Object.entries(others ?? {}).map(([name, result]) =>
  [modelOf(result) || name, result.prediction ? inOneLine(result.prediction) : shown(result.rejection.reason)]);

/** Words for a prediction: what the class means, and whether to trust it; none for values of what looks like a galaxy. */
export function wordsFor(prediction) {
  if (prediction.no_galaxy) return "Probably not a galaxy, or one pictured unlike those that the model knows.";
  if (prediction.class === undefined) return "";
  const { words } = describeClass(prediction.class);
  if (!prediction.unsure) return words;
  return `Take it with care: no shape reached ${percent(prediction.unsure_below)}. ${words}`;
}

/** "cosmoformer v3"; empty when no model was needed. */
export const modelOf = (result) => (result?.model ? `${result.model.name} v${result.model.version}` : "");

/** Seconds from upload to answer, as this page saw them or as store and classifier noted them. */
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
