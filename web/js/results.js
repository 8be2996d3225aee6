// Results: waiting for the JSON objects that the classifier leaves in the store.

import { isExpired, renew } from "./addresses.js";
import { reach } from "./network.js";
import { Failure, pause, turns } from "./pace.js";

const FIRST_PAUSE_MS = 400;
const LONGEST_PAUSE_MS = 5000;
const GROWTH = 1.5;
const PATIENCE_MS = 10 * 60_000;
const QUESTIONS_AT_ONCE = 4;
const REST_MS = 100;
const RENEWED_EVERY_MS = 60_000;
const SCHEMA_VERSION = 1;

const lines = new Map(); // one for each model, so that none waits for another's results

/** The turns of those who wait for results of a model. */
const askTurn = (model) => lines.get(model) ?? lines.set(model, turns(QUESTIONS_AT_ONCE)).get(model);

/** Where an item's result will stand: by MODEL_NAME's model, or by a further one. */
const placeOf = ({ address }, model) => (model ? address.further[model] : address.result);

/**
 * The result of one image (cosmoformer/schemas/result-v1.json), once it is there.
 *
 * While the network is away it waits, and an address that has expired is renewed.
 *
 * @param {object} options - {api, signal, on}; on.offline(waiting, words) as for uploads. `model` names a further one.
 * @throws {Failure} transient when there is none after ten minutes; final when this page cannot read it.
 */
export async function awaitResult(item, { api, signal, on = {}, model = "" }) {
  let deadline = Date.now() + PATIENCE_MS;
  for (let wait = FIRST_PAUSE_MS; Date.now() < deadline; wait = Math.min(wait * GROWTH, LONGEST_PAUSE_MS)) {
    await pause(wait, signal);
    const began = Date.now();
    const result = await askTurn(model)(() => ask(item, { api, on, model }, signal));
    signal.throwIfAborted();
    if (result) return checkedResult(result);
    // Time without a network, or in line, is no time that the classifier takes.
    deadline += Date.now() - began;
  }
  throw new Failure("The image is stored, but no result has come in ten minutes. Keep waiting, or come back later.", {
    transient: true,
  });
}

async function ask(item, work, signal) {
  if (isExpired(placeOf(item, work.model).expires, item.address.received)) await renew(item, work, signal);
  const answer = await read(item, work, signal);
  // In vain: this turn rests. However many images wait, the store gets at most 40 such questions a second.
  if (!answer) await pause(REST_MS, signal);
  return answer;
}

async function read(item, work, signal) {
  const { received } = item.address;
  try {
    return await readResult(placeOf(item, work.model).url, work.on, signal);
  } catch {
    signal.throwIfAborted();
    // The store answers, but not to scripts: so does one whose clock says that the address has expired.
    if (Date.now() - received > RENEWED_EVERY_MS) await renew(item, work, signal);
    return null;
  }
}

/** The result at a presigned address, or null while there is none. */
export async function readResult(url, on, signal) {
  const response = await reach(url, "object store", on?.offline, signal);
  // While there is nothing, stores answer 404 or, when the signer may not list the bucket, 403.
  const document = response.ok ? await response.json() : null;
  return isResult(document) ? document : null;
}

/** Whether a document is a result, of any version. */
function isResult(document) {
  if (!Number.isInteger(document?.schema_version)) return false;
  if (document.schema_version !== SCHEMA_VERSION) return true;
  const { status, image, prediction, rejection, model } = document;
  if (!image) return false;
  return status === "classified" ? Boolean(prediction && model) : Boolean(rejection);
}

/** A result of the version that this page reads; throws a final Failure for another. */
export function checkedResult(result) {
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
