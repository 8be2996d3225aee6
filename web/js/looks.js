// Orders by how images look to a model: likeness to one, and the oddest first. What compares them is loaded when somebody asks.

import { part, say } from "./parts.js";
import { resultBy } from "./states.js";

// Vectors are written some seconds after results: while those are fresh, what has none is looked for again.
const FRESH_MS = 60_000;
const AGAIN_MS = 10_000;
const REST = 5; // times as long as comparing took

export class Looks {
  /**
   * @param {Orders} orders - of the items.
   * @param {Board} board - has the items.
   * @param {object} on - offline(waiting, words) as for uploads.
   */
  constructor(orders, board, on) {
    Object.assign(this, { orders, board, on, api: "", likeness: null });
    this.clear();
  }

  clear() {
    this.stop();
    this.likeness?.end();
    this.likeness = null;
    this.words = {}; // on each order
    say(part("ordered"), "");
  }

  stop() {
    this.work?.abort();
    clearTimeout(this.timer);
    Object.assign(this, { work: null, timer: 0, served: null, judged: 0, since: 0, pauseMs: AGAIN_MS });
  }

  /** Sorts by likeness to an item, by a served model. */
  async alike(item, served, signal) {
    await this.load();
    await this.likeness.compare(item, this.board.items, served, signal);
    this.words.alike = wordsFor(this.board.items, served, "distance");
    this.orders.sortAlike(item.name);
    this.board.refresh();
  }

  async load() {
    const { Likeness } = await import("./likeness.js");
    this.likeness ??= new Likeness(this.api, this.on);
  }

  /** Keeps the order that is chosen up with the items. */
  show(items) {
    const { kind, name: served } = this.orders.chosen;
    if (kind === "odd" && served !== this.served) this.begin(items, served);
    if (kind !== "odd") this.stop();
    else if (!this.work && !this.timer && this.mayCome(items)) this.timer = setTimeout(() => this.isolate(), this.pauseMs);
    say(part("ordered"), this.words[kind] ?? "");
  }

  begin(items, served) {
    this.stop();
    this.served = served;
    for (const item of items) item.isolation = undefined;
    this.mayCome(items);
    this.words.odd = "Comparing how the images look…";
    this.isolate();
  }

  /** Whether there may soon be more vectors than those that are known. */
  mayCome(items) {
    const judged = items.filter((item) => resultBy(item, this.served));
    if (judged.length !== this.judged) Object.assign(this, { judged: judged.length, since: performance.now() });
    return performance.now() - this.since < FRESH_MS && judged.some(({ isolation }) => isolation === undefined);
  }

  async isolate() {
    const { served, board } = this;
    this.timer = 0;
    this.work = new AbortController();
    const { signal } = this.work;
    const began = performance.now();
    try {
      await this.load();
      await this.likeness.isolate(board.items, served, signal);
      this.words.odd = wordsFor(board.items, served, "isolation");
    } catch (error) {
      if (signal.aborted) return;
      this.words.odd = error.message;
    }
    this.work = null;
    if (performance.now() - began > FRESH_MS) this.since = performance.now(); // what came meanwhile is worth another look
    this.pauseMs = Math.max(AGAIN_MS, REST * (performance.now() - began));
    board.refresh();
  }
}

/** What an order by a number lacks. */
function wordsFor(items, served, member) {
  const judged = items.filter((item) => resultBy(item, served));
  const without = judged.filter((item) => item[member] === undefined).length;
  if (!without) return "";
  if (without === judged.length) return "There are no feature vectors: the model gives none, or they are not written yet.";
  return `${without} of ${judged.length} have no feature vector, or none yet: they come last.`;
}
