// The page: what was chosen becomes items, items are uploaded and their results awaited; cards and overview show them.

import { Announcer } from "./announcer.js";
import { BatchLink, batchesOf, reopened, showEarlier } from "./batchlink.js";
import { Board } from "./board.js";
import { Comparison } from "./compare.js";
import { explanationOf } from "./explain.js";
import { inWords } from "./files.js";
import { Filters } from "./filters.js";
import { listenForFiles } from "./intake.js";
import { listenForKeys } from "./keys.js";
import { LargeView } from "./large.js";
import { showLegend } from "./legend.js";
import { Looks } from "./looks.js";
import { part, say, shown } from "./parts.js";
import { Pictures } from "./pictures.js";
import { listenForDownloads } from "./saving.js";
import { Summary } from "./summary.js";
import { Work } from "./work.js";

const NAMES_SHOWN = 5; // of files that were left out

const filters = new Filters(() => board.refresh());
const board = new Board(part("cards"), filters, {
  frame: show,
  card: (item) => pictures.drawWhenSeen(item),
  gone: (item) => pictures.forget(item),
});
const pictures = new Pictures((item, thumb) => board.change(item, { thumb }));
const summary = new Summary(() => board.refresh());
const announcer = new Announcer(() => board.items);
const large = new LargeView(() => board.visible, (item, signal) => explanationOf(item, config.api, signal, { offline: showAway }), (item) => board.focus(item), (...one) => looks.alike(...one));
const comparison = new Comparison(() => board.refresh());
const looks = new Looks(filters.orders, board, { offline: showAway });
const link = new BatchLink();
let config = null;
let work = null;
let opening = new AbortController();

function show(items) {
  summary.show(items);
  filters.show(items, board.visible.length);
  looks.show(items);
  comparison.show();
  large.refresh();
}

function tell(id, words) {
  say(part(id), words);
  part(id).hidden = !words;
}

/** Take chosen files in. */
function take({ found, skipped, unreadable }) {
  tell("notice", noticeFor(skipped, unreadable, found.length));
  if (!found.length) return;
  document.body.classList.add("busy");
  work.take(found);
}

function noticeFor(skipped, unreadable, found) {
  return [
    skipped.length && `${counted(skipped, "file that is no picture was", "files that are no pictures were")} left out: ${named(skipped)}.`,
    unreadable.length && `${counted(unreadable, "file or folder", "files or folders")} could not be read: ${named(unreadable)}.`,
    !found && !skipped.length && !unreadable.length && "There were no files in it.",
  ].filter(Boolean).join(" ");
}

function counted(names, one, many) {
  return `${names.length} ${names.length === 1 ? one : many}`;
}

/** The first few names in their order, and how many more there are. */
function named(names) {
  const first = names.toSorted().slice(0, NAMES_SHOWN).map(shown).join(", ");
  return names.length > NAMES_SHOWN ? `${first} and ${names.length - NAMES_SHOWN} more` : first;
}

function clear() {
  opening.abort();
  opening = new AbortController();
  work.clear();
  announcer.clear();
  comparison.clear();
  filters.reset();
  board.clear();
  link.clear();
  pictures.clear();
  summary.clear();
  looks.clear();
  document.body.classList.remove("busy");
  showEarlier();
  tell("notice", "");
  tell("away", "");
}

/** Show again what lies in the store of the batches that the page's address names. */
async function reopen() {
  const batches = batchesOf(location.href);
  if (!batches.size || [...batches].every((batch) => link.batches.has(batch))) return;
  clear();
  const { signal } = opening;
  document.body.classList.add("busy");
  for (const batch of batches) await reopenOne(batch, signal);
  if (signal.aborted) return;
  if (board.items.length) announcer.say(`${board.items.length} results opened.`);
  else document.body.classList.remove("busy");
}

async function reopenOne(batch, signal) {
  let words = `Nothing is there of the batch ${batch}: its link is not whole, or no result has come yet. Reload to look again.`;
  try {
    for await (const item of reopened(config.api, batch, signal, { offline: showAway })) {
      link.add(batch);
      board.add([item]);
      work.resume(item);
      words = "";
    }
  } catch (error) {
    words = `The batch ${batch} could not be opened. ${error.message}`;
  }
  if (words && !signal.aborted) tell("notice", words);
}

function showAway(waiting, words) {
  tell("away", waiting ? words : "");
}

function listen() {
  listenForFiles(take, (words) => tell("notice", words));
  listenForDownloads(board, (words) => tell("notice", words), () => opening.signal);
  listenForCards();
  listenForKeys(board);
  part("dense").addEventListener("click", ({ target }) => {
    target.setAttribute("aria-pressed", part("cards").classList.toggle("dense"));
    board.refresh();
  });
  part("stop").addEventListener("click", () => work.cancelAll());
  part("retry").addEventListener("click", () => work.retryAll());
  part("clear").addEventListener("click", () => {
    clear();
    part("choose-files").focus();
  });
  window.addEventListener("hashchange", reopen);
  window.addEventListener("beforeunload", (event) => {
    if (board.items.some(({ state }) => state === "waiting" || state === "uploading")) event.preventDefault();
  });
}

function listenForCards() {
  part("cards").addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    const item = button && board.itemOf(button);
    if (!item) return;
    if (button.matches(".open")) large.open(item);
    else if (button.matches(".cancel")) work.cancel(item);
    else work.again(item);
  });
  part("cards").addEventListener("change", ({ target }) => comparison.choose(board.itemOf(target), target.checked));
}

async function start() {
  showLegend(part("legend-list"));
  try {
    const response = await fetch("config.json", { cache: "no-cache" });
    config = await response.json();
  } catch {
    tell("notice", "This page could not read its config.json, so it has no place to upload to. Reload it, or tell who runs it.");
    return;
  }
  looks.api = config.api;
  part("limits").textContent += `, up to ${inWords(config.max_bytes)} each`;
  work = new Work(config, board, {
    ended: (item) => announcer.tell(item),
    stored: (batch) => link.add(batch),
    offline: showAway,
    broken: (error) => tell("notice", `Something went wrong in this page: ${error.message} Reload it.`),
  });
  listen();
  showEarlier();
  await reopen();
}

start();
