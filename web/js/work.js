// The way of a file: looked at, compared with the others, uploaded, waited for; cancelled and tried again.

import { fingerprint } from "./digest.js";
import { examine } from "./files.js";
import { breath } from "./pace.js";
import { awaitResult } from "./results.js";
import { canRetry, isOver, isSending } from "./states.js";
import { Batch, uploadAll } from "./upload.js";

const PORTION = 200; // files
const AHEAD = 2; // portions that have addresses before they are sent
const JUST_NOW_MS = 10 * 60_000; // after one model's result, how long the other models' may take

export class Work {
  /**
   * @param {object} config - the page's config.json: {api, max_bytes}
   * @param {Board} board - shows the items.
   * @param {object} on - ended(item); offline(waiting, words); stored(show) once something lies in a batch, with the name that shows
   *   it; broken(error).
   */
  constructor(config, board, on) {
    Object.assign(this, { config, board, on });
    this.begin();
  }

  begin() {
    this.all = new AbortController();
    this.batch = new Batch();
  }

  /** Forget everything that is under way. */
  clear() {
    this.all.abort();
    this.begin();
  }

  /** Take files in, [{file, name}], so many at a time that the page always answers. */
  async take(found) {
    const { signal } = this.all;
    const portions = [];
    for (let start = 0; start < found.length; start += PORTION) {
      const items = found.slice(start, start + PORTION).map(({ file, name }) => newItem(file, name));
      this.board.add(items);
      portions.push({ items });
      await breath();
      if (signal.aborted) return;
    }
    for (const [place, portion] of portions.entries()) {
      await Promise.all(portion.items.map((item) => this.look(item)));
      await this.findTwins(portion.items);
      await portions[place - AHEAD]?.sent;
      if (signal.aborted) return;
      portion.sent = this.upload(portion.items.filter(({ state }) => state === "waiting"));
    }
  }

  async look(item) {
    const { type, reason } = await examine(item.file, this.config.max_bytes);
    item.type = type;
    if (reason && item.state === "waiting") this.end(item, "rejected", { reason });
  }

  /** Marks what has been dropped before. Only files of one length are read for this. */
  async findTwins(items) {
    const fresh = new Set(items);
    const bySize = Map.groupBy(this.board.items.filter(({ file, reason }) => file && !reason), ({ size }) => size);
    for (const alike of bySize.values()) {
      if (alike.length < 2 || !alike.some((item) => fresh.has(item))) continue;
      const first = new Map();
      for (const item of alike) {
        item.digest ??= await fingerprint(item.file).catch(() => null); // unreadable: its upload will say so
        const twin = item.digest && first.get(item.digest);
        if (!twin) first.set(item.digest, item);
        else if (fresh.has(item) && item.state === "waiting") this.join(item, twin);
      }
    }
  }

  join(item, twin) {
    this.board.change(item, { state: "twin", twin });
    (twin.followers ??= []).push(item);
    if (isOver(twin)) this.follow(item);
  }

  /** A duplicate gets what the first of its kind got. */
  follow(item) {
    const { state, result, reason, others } = item.twin;
    this.end(item, state, { result, reason, others });
  }

  async upload(items) {
    if (!items.length) return;
    const { signal } = this.all;
    const on = {
      started: (item) => this.board.change(item, { state: "uploading", sentAt: performance.now() }),
      progress: (item, sent) => this.board.change(item, { sent }),
      uploaded: (item, { key, show }) => {
        this.board.change(item, { state: "classifying", sent: item.size, stored: performance.now(), key, batch: show });
        this.on.stored(show);
        this.classify(item);
      },
      refused: (item, reason) => this.end(item, "rejected", { reason }),
      failed: (item, reason) => this.end(item, "failed", { reason }),
      offline: this.on.offline,
    };
    const { config: { api }, batch } = this;
    // Rejected also when everything was thrown away; then nobody waits for it.
    await uploadAll(items, { api, on, signal, batch }).catch((error) => signal.aborted || this.on.broken(error));
  }

  /** Wait for what is still to come of an item of a batch that was opened again. */
  resume(item) {
    item.abort = new AbortController();
    if (item.state === "classifying") {
      item.stored = performance.now();
      this.classify(item);
    } else if (Date.now() - Date.parse(item.result?.finished) < JUST_NOW_MS) {
      this.askAllFurther(item);
    }
  }

  async classify(item) {
    const signal = AbortSignal.any([this.all.signal, item.abort.signal]);
    this.askAllFurther(item);
    try {
      const result = await awaitResult(item, { api: this.config.api, signal, on: { offline: this.on.offline } });
      this.end(item, result.status, { result, reason: result.rejection?.reason });
    } catch (error) {
      if (!signal.aborted) this.end(item, error.transient ? "late" : "unreadable", { reason: error.message });
    }
  }

  /** Asks for the results of further models that are not there yet. */
  askAllFurther(item) {
    const signal = AbortSignal.any([this.all.signal, item.abort.signal]);
    const missing = Object.keys(item.address.further ?? {}).filter((model) => !item.others?.[model]);
    missing.forEach((model) => this.askFurther(item, model, signal));
  }

  /** The result of a model that is served beside the first; one that never answers leaves no trace. */
  async askFurther(item, model, signal) {
    const asked = awaitResult(item, { api: this.config.api, signal, on: { offline: this.on.offline }, model });
    const result = await asked.catch(() => null);
    const alike = result ? this.board.items.filter((each) => each === item || each.twin === item) : [];
    alike.forEach((each) => this.board.change(each, { others: { ...each.others, [model]: result } }));
  }

  end(item, state, changes = {}) {
    if (item.gone) return;
    this.board.change(item, { state, ended: performance.now(), ...changes });
    this.on.ended(item);
    duplicatesOf(item).forEach((each) => this.follow(each));
  }

  /** Stop uploading one file, or waiting for its result. */
  cancel(item) {
    if (isOver(item)) return;
    item.abort.abort();
    const stored = item.state === "classifying";
    const reason = stored ? "It is uploaded, but this page no longer waits for its result." : "It was not uploaded.";
    this.end(item, "cancelled", { reason });
  }

  cancelAll() {
    this.board.items.filter(isSending).forEach((item) => this.cancel(item));
  }

  /**
   * Wait on for late results, or upload files. For a duplicate that got none the first of its kind goes again, where that is stored or
   * among the items; where it is neither, it may be a file that nobody can read any more, and the duplicate is sent itself.
   */
  again(...items) {
    const asked = new Set(items.map((item) => (canRetry(item) && isAwaited(item.twin) ? item.twin : item)));
    const going = [...asked].filter(({ twin }) => !asked.has(twin));
    going.forEach((item) => this.restart(item));
    going.filter(({ state }) => state === "classifying").forEach((item) => this.classify(item));
    this.upload(going.filter(({ state }) => state === "waiting"));
  }

  /** Put an item back to where it waits, and its duplicates with it. */
  restart(item) {
    item.abort = new AbortController();
    if (isAwaited(item)) this.board.change(item, { state: "classifying", reason: "", stored: performance.now() });
    else this.board.change(item, { state: "waiting", reason: "", sent: 0, twin: null, result: null, others: null });
    duplicatesOf(item).forEach((each) => this.board.change(each, { state: "twin", reason: "" }));
  }

  retryAll() {
    this.again(...this.board.items.filter(canRetry));
  }
}

/** Whether an item is stored, but has no result. */
const isAwaited = (item) => Boolean(item?.key && !item.result);

/** Duplicates of an item, but for those that were sent all the same. */
const duplicatesOf = (item) => (item.followers ?? []).filter(({ twin }) => twin === item);

function newItem(file, name) {
  const start = { state: "waiting", sent: 0, reason: "", started: performance.now() };
  return { file, name, size: file.size, abort: new AbortController(), ...start };
}
