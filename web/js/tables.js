// Everything on the page as a table: CSV, VOTable and JSON.

import { columnsFor } from "./columns.js";
import { secondsOf } from "./parts.js";
import { toVotable } from "./votable.js";

/** By the end of the file's name: what writes it, and its media type. */
const FORMATS = {
  csv: [toCsv, "text/csv;charset=utf-8"],
  vot: [toVotable, "application/x-votable+xml"],
  json: [toJson, "application/json"],
};
// What spreadsheets take for the start of a formula; full-width forms are read as their ASCII twins.
const FORMULA = /^[=+\-@\t\r\n'\uff1d\uff0b\uff0d\uff20]/;

/** A table of the items, in one of the formats. */
export function tableOf(items, format) {
  const [write, type] = FORMATS[format];
  return { blob: new Blob([write(items)], { type }) };
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
