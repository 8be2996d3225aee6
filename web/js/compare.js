// Selecting several galaxies and comparing them side by side: a table with one column a galaxy and one row a class or value.

import { kindOf } from "./cards.js";
import { describeClass, inOrder, spaced } from "./classes.js";
import { inDigits, inSeconds, make, modelOf, part, say, secondsOf, shown, titleOf } from "./parts.js";
import { closeByBackdrop } from "./large.js";
import { percent } from "./results.js";
import { markOf, namesOf, STATES } from "./states.js";

const AT_LEAST = 2;
const AT_MOST = 12; // more columns than this are no comparison

export class Comparison {
  /** @param {function} onChange - called when the choice has changed. */
  constructor(onChange) {
    this.onChange = onChange;
    this.chosen = new Set();
    this.dialog = part("comparison");
    part("compare").addEventListener("click", () => this.open());
    part("compare-none").addEventListener("click", () => this.chooseNone());
    part("comparison-close").addEventListener("click", () => this.dialog.close());
    closeByBackdrop(this.dialog);
  }

  choose(item, on) {
    item.chosen = on;
    if (on) this.chosen.add(item);
    else this.chosen.delete(item);
    this.onChange();
  }

  chooseNone() {
    const first = [...this.chosen][0];
    for (const item of this.chosen) {
      item.chosen = false;
      item.card?.update();
    }
    this.chosen.clear();
    this.onChange();
    first?.card?.part(".pick input").focus();
  }

  clear() {
    this.chosen.clear();
  }

  /** Show how many are chosen. */
  show() {
    const count = this.chosen.size;
    part("selection").hidden = !count;
    part("compare").disabled = count < AT_LEAST || count > AT_MOST;
    say(part("chosen"), wordsFor(count));
  }

  open() {
    part("comparison-table").replaceChildren(...rows([...this.chosen].sort((one, other) => one.id - other.id)));
    this.dialog.showModal();
  }
}

function wordsFor(count) {
  if (!count) return "";
  if (count < AT_LEAST) return "1 chosen. Choose another one to compare them.";
  if (count > AT_MOST) return `${count} chosen. At most ${AT_MOST} can be compared at once.`;
  return `${count} chosen.`;
}

function rows(items) {
  return [
    make("thead", "", row("Galaxy", items, headOf)),
    make("tbody", "",
      row("Shape", items, shapeOf),
      ...inOrder(namesOf(items, "probabilities")).map((name) => row(describeClass(name).short, items, (item) => shareOf(item, name))),
      ...namesOf(items, "values").map((name) => row(spaced(name), items, (item) => valueOf(item, name))),
      row("Model", items, (item) => make("td", "quiet", shown(modelOf(item.result)))),
      row("Answered in", items, (item) => make("td", "quiet", item.result ? inSeconds(secondsOf(item)) : ""))),
  ];
}

function row(title, items, cellOf) {
  const head = make("th", "", shown(title));
  head.scope = "row";
  return make("tr", "", head, ...items.map(cellOf));
}

function headOf(item) {
  const picture = make("div", "frame", make("span", "kind", kindOf(item)));
  if (item.thumb) {
    const image = make("img");
    image.alt = "";
    image.src = item.thumb;
    picture.append(image);
  }
  const head = make("th", "", picture, make("bdi", "", shown(item.name)));
  head.scope = "col";
  return head;
}

function shapeOf({ state, result }) {
  const prediction = result?.prediction;
  if (!prediction) return make("td", "quiet", STATES[state].verdict);
  const cell = make("td", "shape", make("span", "", ...titleOf(prediction)));
  cell.dataset.class = prediction.class ?? "";
  const mark = markOf(prediction);
  if (mark) cell.append(make("span", "mark", mark.badge));
  return cell;
}

function valueOf({ result }, name) {
  const value = result?.prediction?.values?.[name];
  return make("td", "quiet", value === undefined ? "–" : inDigits(value));
}

function shareOf({ result }, name) {
  const share = result?.prediction?.probabilities?.[name];
  if (share === undefined) return make("td", "quiet", "–");
  const cell = make("td", name === result.prediction.class ? "portion best" : "portion", percent(share));
  cell.dataset.class = name;
  cell.style.setProperty("--share", share);
  return cell;
}
