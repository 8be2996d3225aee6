// The overview above the cards: progress of all files, a spoken status, and counts that filter the cards.

import { glyph } from "./cards.js";
import { describeClass, inOrder } from "./classes.js";

const WAKING_AFTER_MS = 1500;
const SPEAK_EVERY_MS = 1000;
const WAKING = "Waking the classifier. It sleeps while nobody needs it, so the first answer takes a few seconds.";

const ENDED = new Set(["classified", "rejected", "failed", "late", "unreadable"]);
const GROUPS = [
  { name: "all", short: "All", holds: () => true },
  { name: "unsure", short: "Unsure", holds: (item) => Boolean(item.result?.prediction?.unsure) },
  { name: "not-classified", short: "Not classified", holds: (item) => ENDED.has(item.state) && item.state !== "classified" },
];

const part = (id) => document.getElementById(id);

export class Summary {
  /** @param {function} items - gives all items: {file, state, sent, started, stored, ended, result, card}. */
  constructor(items) {
    this.items = items;
    this.filter = "all";
    this.scheduled = null;
    this.later = null;
    this.spoken = -SPEAK_EVERY_MS;
  }

  /** Show the present state soon; many calls at once cost one update. */
  refresh() {
    this.scheduled ??= requestAnimationFrame(() => {
      this.scheduled = null;
      this.show();
    });
  }

  show() {
    const items = this.items();
    part("results").hidden = !items.length;
    part("legend").hidden = items.length > 0;
    part("download").disabled = !items.some((item) => item.result);
    this.showProgress(items);
    this.showCounts(items);
    const due = Math.min(this.showWaking(items), this.speak(items));
    clearTimeout(this.later);
    if (due < Infinity) this.later = setTimeout(() => this.refresh(), due);
  }

  showProgress(items) {
    const bytes = items.reduce((sum, { file }) => sum + file.size, 0);
    const sent = items.reduce((sum, item) => sum + (ENDED.has(item.state) ? item.file.size : item.sent), 0);
    const answered = items.length ? items.filter((item) => ENDED.has(item.state)).length / items.length : 0;
    part("progress").style.setProperty("--sent", bytes ? sent / bytes : answered);
    part("progress").style.setProperty("--answered", answered);
    part("progress").setAttribute("aria-valuenow", Math.round(answered * 100));
  }

  showCounts(items) {
    const groups = [...GROUPS.slice(0, 1), ...classGroups(items), ...GROUPS.slice(1)]
      .map((group) => ({ ...group, count: items.filter(group.holds).length }))
      .filter(({ name, count }) => name === "all" || count);
    const shown = groups.find(({ name }) => name === this.filter) ?? groups[0];
    this.filter = shown.name;
    items.forEach((item) => { item.card.element.hidden = !shown.holds(item); });
    this.showButtons(groups);
  }

  showButtons(groups) {
    const old = new Map(Array.from(part("counts").children, (button) => [button.dataset.group, button]));
    const buttons = groups.map((group) => old.get(group.name) ?? this.button(group));
    groups.forEach(({ name, count }, index) => {
      buttons[index].setAttribute("aria-pressed", name === this.filter);
      buttons[index].lastElementChild.textContent = count;
    });
    // Moving a button would take the keyboard focus from it, so they are set only when the set has changed.
    if (buttons.some((button, index) => part("counts").children[index] !== button) || old.size !== buttons.length) {
      part("counts").replaceChildren(...buttons);
    }
  }

  button({ name, short, shape }) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "count";
    button.dataset.group = name;
    button.dataset.class = name;
    const count = document.createElement("strong");
    button.append(...(shape ? [glyph(shape)] : []), `${short} `, count);
    button.addEventListener("click", () => {
      this.filter = name;
      this.refresh();
    });
    return button;
  }

  /** Returns in how many milliseconds this must be looked at again. */
  showWaking(items) {
    const oldest = Math.min(...items.filter((item) => item.state === "classifying").map((item) => item.stored));
    const asleep = oldest < Infinity && !items.some((item) => item.result && item.ended > oldest);
    const left = WAKING_AFTER_MS - (performance.now() - oldest);
    const text = asleep && left <= 0 ? WAKING : "";
    if (part("waking").textContent !== text) part("waking").textContent = text;
    return asleep && left > 0 ? left : Infinity;
  }

  /** A screen reader speaks every change, so there is at most one a second. Returns when the next is due, likewise. */
  speak(items) {
    const text = statusOf(items);
    if (part("status").textContent === text) return Infinity;
    const left = this.spoken + SPEAK_EVERY_MS - performance.now();
    if (left > 0) return left;
    this.spoken = performance.now();
    part("status").textContent = text;
    return Infinity;
  }
}

function classGroups(items) {
  const names = new Set(items.map((item) => item.result?.prediction?.class).filter(Boolean));
  return inOrder([...names]).map((name) => ({
    name,
    ...describeClass(name),
    holds: (item) => item.result?.prediction?.class === name,
  }));
}

/** Where all files stand, in one sentence. */
function statusOf(items) {
  if (!items.length) return "";
  const count = (state) => items.filter((item) => item.state === state).length;
  const classified = count("classified");
  const open = items.filter((item) => !ENDED.has(item.state)).length;
  const without = items.length - open - classified;
  const tail = without ? `, ${without} not classified` : "";
  if (open) {
    const uploading = count("waiting") + count("uploading");
    const doing = [uploading && `${uploading} to upload`, count("classifying") && `${count("classifying")} being classified`];
    return `${classified} of ${items.length} classified${tail}: ${doing.filter(Boolean).join(", ")}.`;
  }
  const seconds = (Math.max(...items.map((item) => item.ended)) - Math.min(...items.map((item) => item.started))) / 1000;
  return `${classified} of ${items.length} classified${tail}, in ${seconds.toFixed(seconds < 10 ? 1 : 0)} s.`;
}
