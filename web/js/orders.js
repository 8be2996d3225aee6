// In which order the cards are shown.

import { describeClass, inOrder } from "./classes.js";
import { nameKey, offer, part, say, shown, sortedBy } from "./parts.js";
import { classOf, isJudged, modelsOf, namesOf } from "./states.js";

const BEHIND_ALL = -1; // confidence of what has none
const keyOf = (item) => (item.nameKey ??= nameKey(item.name));

export const confidence = (item) => item.result?.prediction?.confidence ?? BEHIND_ALL;

/** By the kind of order: a function that gives the number of an item that it goes by, the greatest first. */
const MEASURES = {
  confidence: () => (item) => (classOf(item) ? confidence(item) : NaN),
  class: (items) => {
    const names = inOrder([...new Set(items.map(classOf).filter(Boolean))]);
    const rank = new Map(names.map((name, place) => [name, place]));
    return (item) => -rank.get(classOf(item));
  },
  share: (_, { name }) => (item) => item.result?.prediction?.probabilities?.[name],
  answer: (_, { votes }) => (item) => votes.fractionOf(item),
  alike: () => ({ distance }) => -distance,
  odd: () => ({ isolation }) => isolation,
};

export class Orders {
  /** @param {AnswerFilter} votes - the answer that is chosen. */
  constructor(votes) {
    this.votes = votes;
    this.models = []; // further ones
    this.reset();
  }

  reset() {
    Object.assign(this, { sort: "dropped", reversed: false });
    part("sort-alike").hidden = part("sort-alike").disabled = true;
    this.write();
  }

  write() {
    part("sort").value = this.sort;
    part("reverse").setAttribute("aria-pressed", this.reversed);
  }

  read() {
    if (!this.votes.answer && part("sort").value === "answer") part("sort").value = "dropped";
    this.sort = part("sort").value;
  }

  reverse() {
    this.reversed = !this.reversed;
    this.write();
  }

  /** {kind, name}: what follows the kind in the option's value is the name of a class, or of a further model. */
  get chosen() {
    const [kind, ...name] = this.sort.split(":");
    return { kind, name: name.join(":") };
  }

  /** The items in the chosen order; what has no class, confidence, votes or vector comes last, either way round. */
  order(items) {
    const { kind, name } = this.chosen;
    if (kind === "dropped") return this.reversed ? items.toReversed() : items;
    if (kind === "name") return this.reversed ? sortedBy(items, keyOf).reverse() : sortedBy(items, keyOf);
    const measure = MEASURES[kind](items, { name, votes: this.votes });
    const turn = this.reversed ? -1 : 1;
    const all = items.map((item) => ({ item, value: measure(item) }));
    const ranked = all.filter(({ value }) => Number.isFinite(value));
    ranked.sort((one, other) => turn * (other.value - one.value) || confidence(other.item) - confidence(one.item));
    return [...ranked, ...all.filter(({ value }) => !Number.isFinite(value))].map(({ item }) => item);
  }

  /** Let people sort by what the items have. */
  offer(items) {
    const models = items.some(isJudged) ? ["", ...modelsOf(items)] : [];
    const choices = {
      "sort-odd": models.map((name) => [`odd:${name}`, name ? `oddest first, by ${name}` : "oddest first"]),
      "sort-shares": inOrder(namesOf(items, "probabilities")).map((name) => [`share:${name}`, describeClass(name).label]),
    };
    for (const [id, each] of Object.entries(choices)) {
      offer(part(id), each);
      part(id).hidden = !each.length;
    }
    part("sort").value = this.sort;
  }

  /** Sort by how much items look like one of this name; their `distance` says so. */
  sortAlike(name) {
    const option = part("sort-alike");
    option.hidden = option.disabled = false;
    say(option, `likeness to ${shown(name)}`);
    Object.assign(this, { sort: "alike", reversed: false });
    this.write();
  }
}
