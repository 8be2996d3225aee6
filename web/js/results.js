// Results: waiting for the JSON objects that the classifier leaves in the store, and writing them out as CSV.

import { inOrder } from "./classes.js";
import { Failure, pause, turns } from "./pace.js";

const FIRST_PAUSE_MS = 400;
const LONGEST_PAUSE_MS = 5000;
const GROWTH = 1.5;
const PATIENCE_MS = 10 * 60_000;
const QUESTIONS_AT_ONCE = 4;
const REST_MS = 100;
const SCHEMA_VERSION = 1;

const askTurn = turns(QUESTIONS_AT_ONCE);

/**
 * The result of one image (cosmoformer/schemas/result-v1.json), once it is there.
 *
 * @param {string} url - presigned address of an object that need not exist yet.
 * @throws {Failure} transient when there is none after ten minutes; final when this page cannot read it.
 */
export async function awaitResult(url, signal) {
  const deadline = Date.now() + PATIENCE_MS;
  for (let wait = FIRST_PAUSE_MS; Date.now() < deadline; wait = Math.min(wait * GROWTH, LONGEST_PAUSE_MS)) {
    await pause(wait, signal);
    const result = await askTurn(() => ask(url, signal));
    signal.throwIfAborted();
    if (result) return checked(result);
  }
  throw new Failure("The image is stored, but no result has come yet.", { transient: true });
}

/** What stands at the address now, or null. */
async function ask(url, signal) {
  const result = await read(url, signal);
  // In vain: this turn rests. However many images wait, the store gets at most 40 such questions a second.
  if (!result) await pause(REST_MS, signal);
  return result;
}

async function read(url, signal) {
  try {
    // While there is nothing, stores answer 404 or, when the signer may not list the bucket, 403.
    // Without no-store the browser may keep the 404.
    const response = await fetch(url, { cache: "no-store", credentials: "omit", signal });
    return response.ok ? await response.json() : null;
  } catch {
    // Also what an error without CORS headers looks like. The object may still come.
    return null;
  }
}

function checked(result) {
  if (result.schema_version === SCHEMA_VERSION) return result;
  throw new Failure(
    `The result has schema version ${result.schema_version}; this page reads version ${SCHEMA_VERSION}. Reload the page.`,
  );
}

/** A share for people: "87 %", but never "100 %" or "0 %" of what is merely close to it. */
export function percent(share) {
  if (share > 0.995 && share < 1) return ">99\u00a0%";
  if (share < 0.005 && share > 0) return "<1\u00a0%";
  return `${Math.round(share * 100)}\u00a0%`;
}

/** All items as CSV (RFC 4180): one line a file, one column a class. */
export function toCsv(items) {
  const classes = inOrder([...new Set(items.flatMap(({ result }) => Object.keys(result?.prediction?.probabilities ?? {})))]);
  const header = [
    "file", "key", "status", "class", "confidence", "unsure",
    ...classes.map((name) => `p_${name}`),
    "model", "model_version", "seconds", "reason",
  ];
  return [header, ...items.map((item) => row(item, classes))].map((cells) => `${cells.map(quoted).join(",")}\r\n`).join("");
}

function row({ name, key, state, reason, result }, classes) {
  const { prediction, model } = result ?? {};
  return [
    name, key, state, prediction?.class, prediction?.confidence, prediction?.unsure,
    ...classes.map((each) => prediction?.probabilities[each]),
    model?.name, model?.version, result?.seconds, reason,
  ];
}

function quoted(value) {
  if (typeof value !== "string") return value ?? "";
  // Spreadsheets run a cell that starts like a formula, and file names come from anyone.
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
