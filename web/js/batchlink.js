// The link that opens a batch again: #batch=…, with the name that shows what lies in the store and uploads nothing. So it can be
// passed on, and needs no account and no database.

import { openBatch } from "./batches.js";
import { make, part, say } from "./parts.js";

const COPIED_MS = 4000;
const KEPT = "batches"; // in localStorage
const MOST_KEPT = 12;

export class BatchLink {
  constructor() {
    this.batches = new Set();
    part("copy").addEventListener("click", () => this.copy());
    part("link").addEventListener("focus", ({ target }) => target.select());
  }

  /** Something lies in the batch that this name shows: the link has it from now on. */
  add(batch) {
    if (this.batches.has(batch)) return;
    this.batches.add(batch);
    remember(batch);
    this.write();
  }

  clear() {
    this.batches.clear();
    this.write();
  }

  write() {
    const names = new URLSearchParams([...this.batches].map((batch) => ["batch", batch]));
    const url = new URL(location.href);
    url.hash = names;
    part("share").hidden = !this.batches.size;
    part("link").value = url.href;
    say(part("copied"), "");
    // In the address bar too, so that a reload or a bookmark keeps the results; not one step back for each.
    history.replaceState(null, "", this.batches.size ? url : url.href.replace(/#.*/, ""));
  }

  async copy() {
    const done = await navigator.clipboard?.writeText(part("link").value).then(() => true, () => false);
    // The clipboard is for secure pages that may write to it; elsewhere the person can.
    if (!done) part("link").focus();
    say(part("copied"), done ? "Copied" : "Press Ctrl+C to copy");
    setTimeout(() => say(part("copied"), ""), COPIED_MS);
  }
}

/** Names that this browser has shown, the latest first, as [name, time]; none where it keeps nothing. */
function earlier() {
  try {
    const found = JSON.parse(localStorage.getItem(KEPT) ?? "[]");
    return Array.isArray(found) ? found.filter((each) => typeof each?.[0] === "string" && Number.isFinite(each[1])) : [];
  } catch {
    return [];
  }
}

function keep(batches) {
  try {
    localStorage.setItem(KEPT, JSON.stringify(batches));
  } catch {
    // a private window, say: links still work
  }
}

function remember(batch) {
  const others = earlier().filter(([name]) => name !== batch);
  const before = earlier().find(([name]) => name === batch);
  keep([before ?? [batch, Date.now()], ...others].slice(0, MOST_KEPT));
}

/** Offers what was uploaded or opened earlier in this browser, while the page is empty. */
export function showEarlier() {
  const batches = earlier();
  part("earlier").hidden = !batches.length || Boolean(location.hash);
  part("earlier-list").replaceChildren(...batches.map(([name, time]) => {
    const link = make("a", "", new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }));
    link.href = `#${new URLSearchParams([["batch", name]])}`;
    return make("li", "", link);
  }));
  part("earlier-forget").onclick = () => {
    keep([]);
    showEarlier();
  };
}

/** The batches that the page's address names. */
export function batchesOf(address) {
  return new Set(new URLSearchParams(new URL(address).hash.slice(1)).getAll("batch").filter(Boolean));
}

/** Yields what lies in a batch as items, in the order of their names. */
export async function* reopened(api, batch, signal, on) {
  for await (const { awaited, ...entry } of openBatch(api, batch, signal, on)) {
    const { result, others } = entry;
    const size = (result ?? Object.values(others)[0])?.image.size_bytes ?? 0;
    const state = awaited ? "classifying" : result?.status ?? "unreadable";
    yield { ...entry, file: null, size, sent: size, batch, state, reason: entry.reason || (result?.rejection?.reason ?? "") };
  }
}
