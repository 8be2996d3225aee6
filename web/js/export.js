// Everything on the page as a file: CSV, VOTable and JSON.

import { columnsFor } from "./columns.js";
import { part, secondsOf } from "./parts.js";
import { toVotable } from "./votable.js";

const FORMATS = {
  csv: { write: toCsv, type: "text/csv;charset=utf-8", extension: "csv" },
  votable: { write: toVotable, type: "application/x-votable+xml", extension: "vot" },
  json: { write: toJson, type: "application/json", extension: "json" },
};
const KEPT_MS = 60_000;
// What spreadsheets take for the start of a formula; full-width forms are read as their ASCII twins.
const FORMULA = /^[=+\-@\t\r\n'\uff1d\uff0b\uff0d\uff20]/;

/** Lets the buttons with `data-format` in the box of downloads save all items. */
export function listenForDownloads(items) {
  part("downloads").addEventListener("click", ({ target }) => {
    const format = FORMATS[target.dataset.format];
    if (format) save(format.write(items()), format);
  });
}

const save = (text, { type, extension }) => keep(new Blob([text], { type }), `galaxies.${extension}`);

/** Saves a file on the person's machine. */
export function keep(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS);
}

/** CSV (RFC 4180): one line a file. */
function toCsv(items) {
  const columns = columnsFor(items);
  const rows = items.map((item) => columns.map((column) => csvCell(column.of(item))));
  return [columns.map(({ name }) => csvCell(name)), ...rows].map((cells) => `${cells.join(",")}\r\n`).join("");
}

function csvCell(value) {
  if (typeof value !== "string") return value ?? "";
  // Spreadsheets run a cell that starts like a formula, and file names come from anyone.
  const text = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** JSON: the results as they stand in the store, and with each what the page knows of its file. */
function toJson(items) {
  const galaxies = items.map((item) => ({
    file: item.name,
    key: item.key ?? null,
    batch: item.batch ?? null,
    state: item.state,
    reason: item.reason || null,
    answer_seconds: item.result ? secondsOf(item) : null,
    result: item.result ?? null,
    others: item.others ?? {},
  }));
  return `${JSON.stringify({ galaxies }, null, 2)}\n`;
}
