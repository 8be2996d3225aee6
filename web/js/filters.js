// Which cards are shown and in which order: counts per class that filter, a name, a least confidence, votes, and the sorting.

import { AnswerFilter } from "./answers.js";
import { describeClass, inOrder } from "./classes.js";
import { glyph, make, nameKey, part, say, shown, sortedBy } from "./parts.js";
import { classOf, isJudged, isOver, namesOf } from "./states.js";

const GROUPS = [
  { name: "all", short: "All", holds: () => true },
  { name: "unsure", short: "Unsure", holds: (item) => Boolean(item.result?.prediction?.unsure) },
  { name: "no-galaxy", short: "No galaxy?", holds: (item) => Boolean(item.result?.prediction?.no_galaxy) },
  { name: "measured", short: "Measured", holds: (item) => isJudged(item) && !classOf(item) },
  { name: "not-classified", short: "Not classified", holds: (item) => isOver(item) && !isJudged(item) },
];
const SHARE = "share:"; // of a class, as what is sorted by
const BEHIND_ALL = -1; // confidence of what has none

const shareOf = (item, name) => item.result?.prediction?.probabilities?.[name];
const confidence = (item) => item.result?.prediction?.confidence ?? BEHIND_ALL;
const keyOf = (item) => (item.nameKey ??= nameKey(item.name));

export class Filters {
  /** @param {function} onChange - called when a person has changed what is to be shown. */
  constructor(onChange) {
    this.onChange = onChange;
    this.votes = new AnswerFilter();
    this.reset();
    for (const id of ["search", "least", "answer", "votes-least", "sort"]) part(id).addEventListener("input", () => this.read());
    part("reverse").addEventListener("click", () => {
      this.reversed = !this.reversed;
      this.read();
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
    Object.assign(this, { group: GROUPS[0], text: "", least: 0, sort: "dropped", reversed: false });
    this.votes.clear();
    part("sort-alike").hidden = part("sort-alike").disabled = true;
    this.write();
  }

  write() {
    part("search").value = this.text;
    part("least").value = this.least;
    part("sort").value = this.sort;
    this.tell();
  }

  read() {
    this.text = part("search").value.trim().toLowerCase();
    this.least = Number(part("least").value);
    this.votes.read();
    if (!this.votes.answer && part("sort").value === "answer") part("sort").value = "dropped";
    this.sort = part("sort").value;
    this.tell();
    this.onChange();
  }

  tell() {
    say(part("least-said"), this.least ? `${this.least}\u00a0% or more` : "any");
    part("reverse").setAttribute("aria-pressed", this.reversed);
  }

  holds(item) {
    return this.group.holds(item)
      && (!this.text || item.name.toLowerCase().includes(this.text))
      && (!this.least || confidence(item) * 100 >= this.least)
      && this.votes.holds(item);
  }

  /** The items in the chosen order; what has no class, confidence or votes comes last, either way round. */
  order(items) {
    if (this.sort === "dropped") return this.reversed ? items.toReversed() : items;
    const turn = this.reversed ? -1 : 1;
    if (this.sort === "name") return this.reversed ? sortedBy(items, keyOf).reverse() : sortedBy(items, keyOf);
    const share = this.sort.startsWith(SHARE) ? this.sort.slice(SHARE.length) : "";
    const rank = new Map(inOrder([...new Set(items.map(classOf).filter(Boolean))]).map((name, place) => [name, place]));
    const by = {
      confidence: (one, other) => turn * (confidence(other) - confidence(one)),
      alike: (one, other) => turn * (one.distance - other.distance),
      share: (one, other) => turn * (shareOf(other, share) - shareOf(one, share)),
      answer: (one, other) => turn * (this.votes.fractionOf(other) - this.votes.fractionOf(one)),
      class: (one, other) => turn * (rank.get(classOf(one)) - rank.get(classOf(other))) || confidence(other) - confidence(one),
    }[share ? "share" : this.sort];
    const ranks = {
      answer: (item) => this.votes.fractionOf(item) !== null,
      alike: (item) => item.distance !== undefined,
    }[this.sort] ?? (share ? (item) => shareOf(item, share) !== undefined : classOf);
    const [judged, others] = [items.filter(ranks), items.filter((item) => !ranks(item))];
    return [...judged.sort(by), ...others];
  }

  show(items, visible) {
    this.votes.offer(items);
    this.offerShares(inOrder(namesOf(items, "probabilities")));
    const groups = [GROUPS[0], ...classGroups(items), ...GROUPS.slice(1)]
      .map((group) => ({ ...group, count: items.filter(group.holds).length }))
      .filter(({ name, count }) => name === "all" || name === this.group.name || count);
    this.showButtons(groups);
    const filtered = visible < items.length && (this.group.name !== "all" || this.text || this.least > 0 || this.votes.answer);
    say(part("shown"), filtered ? `Showing ${visible} of ${items.length}.` : "");
    part("show-all").hidden = !filtered;
  }

  /** Let people sort by the probability of each class. */
  offerShares(names) {
    const box = part("sort-shares");
    if (names.join() === Array.from(box.children, ({ value }) => value.slice(SHARE.length)).join()) return;
    box.replaceChildren(...names.map((name) => new Option(shown(describeClass(name).label), `${SHARE}${name}`)));
    box.hidden = !names.length;
    part("sort").value = this.sort;
  }

  /** Sort by how much items look like one of this name; their `distance` says so. */
  sortAlike(name) {
    const option = part("sort-alike");
    option.hidden = option.disabled = false;
    say(option, `likeness to ${shown(name)}`);
    Object.assign(this, { sort: "alike", reversed: false });
    this.write();
    this.onChange();
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
