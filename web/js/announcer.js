// What a screen reader is told: each result by name while there are few, sums while they come by the dozen.

import { spoken } from "./cards.js";
import { describeClass, inOrder } from "./classes.js";
import { part, shown } from "./parts.js";
import { classOf, isJudged, isOver } from "./states.js";

const SPEAK_EVERY_MS = 2500;
const BY_NAME = 3;

export class Announcer {
  /** @param {function} items - gives all items. */
  constructor(items) {
    this.items = items;
    this.news = new Set();
    this.timer = null;
  }

  /** Tell of an item that has come to an end, soon, together with others. */
  tell(item) {
    this.news.add(item);
    // The first of a burst waits a little as well, so that others join it.
    this.timer ??= setTimeout(() => this.speak(), SPEAK_EVERY_MS / 5);
  }

  /** Tell of something else at once. */
  say(words) {
    part("announcer").textContent = words;
  }

  speak() {
    const ended = [...this.news].filter((item) => isOver(item) && !item.gone);
    this.news.clear();
    this.timer = null;
    if (!ended.length) return;
    const all = this.items();
    const over = all.filter(isOver).length;
    this.say(`${wordsFor(ended)} ${over} of ${all.length} done.`);
    this.timer = setTimeout(() => this.speak(), SPEAK_EVERY_MS);
  }

  clear() {
    clearTimeout(this.timer);
    this.timer = null;
    this.news.clear();
    this.say("");
  }
}

function wordsFor(ended) {
  if (ended.length <= BY_NAME) return ended.map((item) => `${spoken(item)}.`).join(" ");
  const sums = inOrder([...new Set(ended.map(classOf).filter(Boolean))])
    .map((name) => `${ended.filter((item) => classOf(item) === name).length} ${shown(describeClass(name).short)}`);
  const measured = ended.filter((item) => isJudged(item) && !classOf(item)).length;
  if (measured) sums.push(`${measured} measured`);
  const without = ended.filter((item) => !isJudged(item)).length;
  if (without) sums.push(`${without} not classified`);
  return `${ended.length} more: ${sums.join(", ")}.`;
}
