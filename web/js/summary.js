// The overview above the cards.

import { inWords } from "./files.js";
import { part, say } from "./parts.js";
import { canRetry, isJudged, isOver, isSending } from "./states.js";

const WAKING_AFTER_MS = 1500;
const RECENT_MS = 30_000; // over which the speed is measured
const FEW = 20; // files, of which the end is soon seen
const SHORT_MS = 15_000;
const WAKING = "Waking the classifier. It sleeps while nobody needs it, so the first answer takes a few seconds.";

export class Summary {
  /** @param {function} onLater - called when the overview is to be shown anew. */
  constructor(onLater) {
    this.onLater = onLater;
    this.timer = 0;
    this.clear();
    part("notify").addEventListener("click", () => Notification.requestPermission().then(onLater));
  }

  clear() {
    Object.assign(this, { marks: [], leftMs: 0, counted: false, told: true });
  }

  show(items) {
    part("results").hidden = !items.length;
    part("tools").hidden = items.length < 2;
    part("downloads").disabled = !items.some(isOver);
    part("stop").hidden = !items.some(isSending);
    part("retry").hidden = items.filter(canRetry).length < 2;
    this.showProgress(items);
    say(part("status"), statusOf(items, this.leftMs));
    this.showWaking(items);
  }

  showProgress(items) {
    const total = { bytes: 0, sent: 0, over: 0 };
    for (const item of items) {
      total.bytes += item.size;
      total.sent += isSending(item) ? Math.min(item.sent, item.size) : item.size;
      total.over += isOver(item);
    }
    const answered = items.length ? total.over / items.length : 0;
    const progress = part("progress");
    progress.style.setProperty("--sent", total.bytes ? total.sent / total.bytes : answered);
    progress.style.setProperty("--answered", answered);
    progress.setAttribute("aria-valuenow", Math.round(answered * 100));
    say(part("bytes"), items.some(isSending) ? `${inWords(total.sent)} of ${inWords(total.bytes)} sent` : "");
    document.title = `${total.over < items.length ? `(${total.over}/${items.length}) ` : this.counted ? "✓ " : ""}${TITLE}`;
    this.watch(items.length, total.over);
  }

  /** Notes how fast answers come, and tells when the last one has come. */
  watch(count, over) {
    const now = performance.now();
    if (!this.marks.length || over !== this.marks.at(-1).over) this.marks.push({ now, over });
    this.marks = this.marks.filter((mark) => mark.now > now - RECENT_MS);
    const first = this.marks[0];
    const rate = first && over > first.over ? (over - first.over) / (now - first.now) : 0;
    this.leftMs = rate && count - over >= FEW ? (count - over) / rate : 0;
    if (over < count) this.counted = true;
    else if (this.counted && !this.told) this.tell(count);
    this.told = over === count;
    part("notify").hidden = this.told || count < FEW || globalThis.Notification?.permission !== "default";
  }

  /** A notification, where the person allowed it and looks elsewhere. */
  tell(count) {
    if (!document.hidden || globalThis.Notification?.permission !== "granted") return;
    try {
      new Notification(`${count} galaxies are done`, { icon: "icon.svg" }).onclick = () => window.focus();
    } catch {
      // some browsers allow them to workers only
    }
  }

  showWaking(items) {
    const oldest = items.reduce((least, item) => (item.state === "classifying" ? Math.min(least, item.stored) : least), Infinity);
    const asleep = oldest < Infinity && !items.some((item) => item.result && item.ended > oldest);
    const left = WAKING_AFTER_MS - (performance.now() - oldest);
    say(part("waking"), asleep && left <= 0 ? WAKING : "");
    clearTimeout(this.timer);
    if (asleep && left > 0) this.timer = setTimeout(this.onLater, left);
  }
}

const TITLE = document.title;

/** Where all files stand, in one sentence. */
function statusOf(items, leftMs) {
  if (!items.length) return "";
  const count = (state) => items.filter((item) => item.state === state).length;
  const classified = items.filter(isJudged).length;
  const open = items.filter((item) => !isOver(item)).length;
  const without = items.length - open - classified;
  const head = `${classified} of ${items.length} classified${without ? `, ${without} not classified` : ""}`;
  if (!open) return `${head}${timeOf(items)}.`;
  const uploading = count("waiting") + count("uploading");
  const doing = [
    uploading && `${uploading} to upload`,
    count("classifying") && `${count("classifying")} being classified`,
    count("twin") && `${count("twin")} dropped twice`,
  ];
  const left = leftMs > SHORT_MS ? ` About ${inMinutes(leftMs)} left.` : "";
  return `${head}: ${doing.filter(Boolean).join(", ")}.${left}`;
}

const inMinutes = (ms) => (ms < 90_000 ? `${Math.round(ms / 10_000) * 10}\u00a0s` : `${Math.round(ms / 60_000)}\u00a0min`);

/** ", in 2.4 s": of the files that this page uploaded, the first taken to the last answered. */
function timeOf(items) {
  const own = items.filter((item) => item.file && item.ended);
  if (!own.length) return "";
  const first = Math.min(...own.map((item) => item.started));
  const seconds = (Math.max(...own.map((item) => item.ended)) - first) / 1000;
  return `, in ${seconds.toFixed(seconds < 10 ? 1 : 0)}\u00a0s`;
}
