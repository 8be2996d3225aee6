// Servers that do not answer: telling a lost network from a refusal, and waiting until it is back.

import { pause } from "./pace.js";

const PROBE_MS = 10_000;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 15_000;

const away = new Map(); // servers that are waited for, by origin: {words, waiting, back}

/**
 * Whether the server of an address answers at all, whatever it says. Scripts are not told why a request failed; an opaque
 * one, which needs no leave of the server's, fails only when there is no way to it. `navigator.onLine` says nothing of
 * servers near by.
 */
export async function answers(url) {
  const signal = AbortSignal.timeout(PROBE_MS);
  const options = { method: "HEAD", mode: "no-cors", cache: "no-store", credentials: "omit", signal };
  return fetch(new URL("/", url), options).then(() => true, () => false);
}

/**
 * A fetch that waits while there is no way to the server.
 *
 * @param {function} [tell] - as for untilBack.
 * @throws {TypeError} when the server answers, but not to this page.
 */
export async function reach(url, name, tell, signal, options = {}) {
  for (;;) {
    try {
      // Without no-store the browser may keep an answer that says that there is nothing yet.
      return await fetch(url, { ...options, cache: "no-store", credentials: "omit", signal });
    } catch (error) {
      signal.throwIfAborted();
      if (await answers(url)) throw error;
      await untilBack(url, name, tell, signal);
    }
  }
}

/**
 * Waits until a server answers again: asks it now and then, and when the browser comes online.
 *
 * @param {function} [tell] - called with (true, words) while there is anything to wait for, then with (false, "").
 */
export async function untilBack(url, name, tell, signal) {
  const { origin } = new URL(url);
  if (!away.has(origin)) away.set(origin, { words: wordsFor(name), waiting: 0, back: null });
  const server = away.get(origin);
  server.waiting += 1;
  tell?.(true, server.words);
  try {
    server.back ??= watch(origin, server);
    await unlessAborted(server.back, signal);
  } finally {
    server.waiting -= 1;
    if (!server.waiting) forget(origin, server);
    const [other] = away.values();
    if (other !== server) tell?.(Boolean(other), other?.words ?? "");
  }
}

/** One for all who wait for a server; ends with the last of them. */
async function watch(origin, server) {
  for (let wait = FIRST_WAIT_MS; server.waiting; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
    if (await answers(origin)) break;
    await pauseUnlessOnline(wait);
  }
  forget(origin, server);
}

/** Whoever loses the server from here on has to look again. */
function forget(origin, server) {
  if (away.get(origin) === server) away.delete(origin);
}

function wordsFor(name) {
  if (!navigator.onLine) return "This device is offline. Everything goes on by itself once it is online again.";
  return `The ${name} does not answer. Everything goes on by itself once it does; is the network there?`;
}

async function pauseUnlessOnline(ms) {
  const online = new AbortController();
  const cut = () => online.abort();
  addEventListener("online", cut, { once: true });
  await pause(ms, online.signal).catch(() => {});
  removeEventListener("online", cut);
}

function unlessAborted(promise, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
