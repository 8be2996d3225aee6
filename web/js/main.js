// The page: what was chosen becomes items, items are uploaded and their results awaited, cards and overview show it.

import { Card, glyph } from "./cards.js";
import { CLASSES } from "./classes.js";
import { fromDrop, fromInput, inWords, objection } from "./files.js";
import { awaitResult, toCsv } from "./results.js";
import { Summary } from "./summary.js";
import { uploadAll } from "./upload.js";

const part = (id) => document.getElementById(id);

let items = [];
let config = null;
let work = new AbortController();
const summary = new Summary(() => items);

/** Change an item and show it. */
function change(item, changes) {
  Object.assign(item, changes);
  item.card.update();
  summary.refresh();
}

function end(item, state, changes = {}) {
  change(item, { state, ended: performance.now(), ...changes });
}

function newItem({ file, name }) {
  const item = { file, name, state: "waiting", sent: 0, started: performance.now(), url: URL.createObjectURL(file) };
  item.card = new Card(item, again);
  return item;
}

/** Take chosen files in: show all of them, and upload those that can be. */
function take({ found, skipped }) {
  const room = config.max_files - items.length;
  const taken = found.slice(0, room).map(newItem);
  notify(found.length - taken.length, skipped, found.length === 0 && skipped === 0);
  if (!taken.length) return;
  items.push(...taken);
  part("cards").append(...taken.map((item) => item.card.element));
  document.body.classList.add("busy");
  for (const item of taken) {
    const reason = objection(item.file, config.max_bytes);
    if (reason) end(item, "rejected", { reason });
  }
  summary.refresh();
  upload(taken.filter((item) => item.state === "waiting"));
}

function notify(left, skipped, nothing) {
  show([
    left && `${left} more were left out: this page takes ${config.max_files} files at a time.`,
    skipped && `${skipped} ${skipped === 1 ? "file that is no picture was" : "files that are no pictures were"} left out.`,
    nothing && "There were no files in it.",
  ].filter(Boolean).join(" "));
}

function show(notice) {
  part("notice").textContent = notice;
  part("notice").hidden = !notice;
}

function upload(chosen) {
  const { signal } = work;
  const on = {
    started: (item) => change(item, { state: "uploading" }),
    progress: (item, sent) => change(item, { sent }),
    uploaded: (item, { key, url }) => {
      change(item, { state: "classifying", sent: item.file.size, stored: performance.now(), key, resultUrl: url });
      classify(item, signal);
    },
    refused: (item, reason) => end(item, "rejected", { reason }),
    failed: (item, reason) => end(item, "failed", { reason }),
  };
  // Rejected only when everything was thrown away; then nobody waits for it.
  uploadAll(chosen, config.api, on, signal).catch((error) => signal.aborted || show(error.message));
}

async function classify(item, signal) {
  try {
    const result = await awaitResult(item.resultUrl, signal);
    end(item, result.status, { result, reason: result.rejection?.reason });
  } catch (error) {
    if (!signal.aborted) end(item, error.transient ? "late" : "unreadable", { reason: error.message });
  }
}

/** The button of a card: wait on for a late result, or upload a failed file anew, under a new address. */
function again(item) {
  if (item.state === "late") {
    change(item, { state: "classifying", stored: performance.now(), reason: "" });
    classify(item, work.signal);
  } else {
    change(item, { state: "waiting", sent: 0, reason: "" });
    upload([item]);
  }
}

function clear() {
  work.abort();
  work = new AbortController();
  items.forEach((item) => URL.revokeObjectURL(item.url));
  items = [];
  part("cards").replaceChildren();
  document.body.classList.remove("busy");
  show("");
  summary.refresh();
  part("choose-files").focus();
}

function download() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([toCsv(items)], { type: "text/csv;charset=utf-8" }));
  link.download = "galaxies.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function listen() {
  for (const id of ["choose-files", "choose-folder"]) {
    part(id).disabled = false;
    part(id).addEventListener("change", ({ target }) => {
      take(fromInput(target));
      target.value = ""; // so that choosing the same file again is a change
    });
  }
  part("download").addEventListener("click", download);
  part("clear").addEventListener("click", clear);
  window.addEventListener("beforeunload", (event) => {
    if (items.some(({ state }) => state === "waiting" || state === "uploading")) event.preventDefault();
  });
  listenForDrops();
}

function listenForDrops() {
  const hover = (on) => document.body.classList.toggle("hover", on);
  window.addEventListener("dragover", (event) => {
    event.preventDefault();
    hover(true);
  });
  window.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) hover(false); // the pointer has left the window, not just one element for another
  });
  window.addEventListener("drop", async (event) => {
    event.preventDefault();
    hover(false);
    try {
      take(await fromDrop(event.dataTransfer, config.max_files));
    } catch (error) {
      show(`The browser could not read what was dropped: ${error.message}`);
    }
  });
}

function showLegend() {
  for (const { label, words, shape } of CLASSES.values()) {
    const entry = document.createElement("li");
    const title = document.createElement("h3");
    const text = document.createElement("p");
    title.textContent = label;
    text.textContent = words;
    entry.dataset.shape = shape;
    entry.append(glyph(shape), title, text);
    part("legend-list").append(entry);
  }
}

async function start() {
  showLegend();
  try {
    const response = await fetch("config.json", { cache: "no-cache" });
    config = await response.json();
  } catch {
    show("This page could not read its config.json, so it does not know where to upload to.");
    return;
  }
  part("limits").textContent += `, up to ${inWords(config.max_bytes)} each, ${config.max_files} at a time`;
  listen();
}

start();
