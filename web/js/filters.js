// Which cards are shown: counts per class that filter, a name, a least confidence, and votes.

import { AnswerFilter } from "./answers.js";
import { describeClass, inOrder } from "./classes.js";
import { Orders, confidence } from "./orders.js";
import { glyph, make, part, say, shown } from "./parts.js";
import { classOf, isJudged, isOver } from "./states.js";

const GROUPS = [
  { name: "all", short: "All", holds: () => true },
  { name: "unsure", short: "Unsure", holds: (item) => Boolean(item.result?.prediction?.unsure) },
  { name: "no-galaxy", short: "No galaxy?", holds: (item) => Boolean(item.result?.prediction?.no_galaxy) },
  { name: "measured", short: "Measured", holds: (item) => isJudged(item) && !classOf(item) },
  { name: "not-classified", short: "Not classified", holds: (item) => isOver(item) && !isJudged(item) },
];

export class Filters {
  /** @param {function} onChange - called when a person has changed what is to be shown. */
  constructor(onChange) {
    this.onChange = onChange;
    this.votes = new AnswerFilter();
    this.orders = new Orders(this.votes);
    this.reset();
    for (const id of ["search", "least", "answer", "votes-least", "sort"]) part(id).addEventListener("input", () => this.read());
    part("reverse").addEventListener("click", () => {
      this.orders.reverse();
      this.onChange();
    });
    part("show-all").addEventListener("click", () => {
      this.reset();
      this.onChange();
      part("search").focus();
    });
    // Some browsers keep fields over a reload.
    this.write();
  }

  reset() {
    Object.assign(this, { group: GROUPS[0], text: "", least: 0 });
    this.votes.clear();
    this.orders.reset();
    this.write();
  }

  write() {
    part("search").value = this.text;
    part("least").value = this.least;
    this.tell();
  }

  read() {
    this.text = part("search").value.trim().toLowerCase();
    this.least = Number(part("least").value);
    this.votes.read();
    this.orders.read();
    this.tell();
    this.onChange();
  }

  tell() {
    say(part("least-said"), this.least ? `${this.least}\u00a0% or more` : "any");
  }

  holds(item) {
    return this.group.holds(item)
      && (!this.text || item.name.toLowerCase().includes(this.text))
      && (!this.least || confidence(item) * 100 >= this.least)
      && this.votes.holds(item);
  }

  order(items) {
    return this.orders.order(items);
  }

  show(items, visible) {
    this.votes.offer(items);
    this.orders.offer(items);
    const groups = [GROUPS[0], ...classGroups(items), ...GROUPS.slice(1)]
      .map((group) => ({ ...group, count: items.filter(group.holds).length }))
      .filter(({ name, count }) => name === "all" || name === this.group.name || count);
    this.showButtons(groups);
    const filtered = visible < items.length && (this.group.name !== "all" || this.text || this.least > 0 || this.votes.answer);
    say(part("shown"), filtered ? `Showing ${visible} of ${items.length}.` : "");
    part("show-all").hidden = !filtered;
  }

  showButtons(groups) {
    const box = part("counts");
    const old = new Map(Array.from(box.children, (button) => [button.dataset.group, button]));
    const buttons = groups.map((group) => old.get(group.name) ?? this.button(group));
    groups.forEach(({ name, count }, index) => {
      buttons[index].setAttribute("aria-pressed", name === this.group.name);
      say(buttons[index].lastElementChild, String(count));
    });
    // Moving a button would take the keyboard focus from it, so they are set only when the set has changed.
    if (old.size === buttons.length && buttons.every((button, index) => box.children[index] === button)) return;
    const focused = box.contains(document.activeElement) ? document.activeElement : null;
    box.replaceChildren(...buttons);
    focused?.focus({ preventScroll: true });
  }

  button(group) {
    const drawing = group.shape ? [glyph(group.shape)] : [];
    const button = make("button", "count", ...drawing, `${shown(group.short)} `, make("strong"));
    button.type = "button";
    button.dataset.group = group.name;
    if (group.class) button.dataset.class = group.class;
    button.addEventListener("click", () => {
      this.group = group;
      this.onChange();
    });
    return button;
  }
}

function classGroups(items) {
  const names = new Set(items.map(classOf).filter(Boolean));
  return inOrder([...names]).map((name) => ({
    name: `class:${name}`,
    class: name,
    ...describeClass(name),
    holds: (item) => classOf(item) === name,
  }));
}
