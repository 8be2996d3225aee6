// When to act: waiting, retrying with growing pauses, and taking turns.

/** An operation that failed, in words for the reader; `transient` when trying again may help. */
export class Failure extends Error {
  constructor(message, { transient = false, retryAfterMs = 0 } = {}) {
    super(message);
    this.transient = transient;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Resolves after `ms` milliseconds; rejects with the signal's reason when it is aborted. */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}

/** Resolves when the browser has had a moment for everything else. */
export const breath = () => new Promise((resolve) => {
  setTimeout(resolve, 0);
});

/** Runs a task until it succeeds, fails for good, or has failed `attempts` times. */
export async function retrying(task, signal, { attempts = 5, firstMs = 500 } = {}) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await task();
    } catch (error) {
      signal.throwIfAborted();
      if (!error.transient || attempt === attempts) throw error;
      // Jitter keeps many files that failed together from coming back together.
      const backoff = firstMs * 2 ** (attempt - 1) * (0.75 + Math.random() / 2);
      await pause(Math.max(backoff, error.retryAfterMs), signal);
    }
  }
}

/** A function that runs tasks, at most `atOnce` at a time, in the order they came. */
export function turns(atOnce) {
  const waiting = [];
  let running = 0;
  const next = () => {
    if (running === atOnce || !waiting.length) return;
    running += 1;
    const { task, resolve, reject } = waiting.shift();
    task().then(resolve, reject).finally(() => {
      running -= 1;
      next();
    });
  };
  return (task) => new Promise((resolve, reject) => {
    waiting.push({ task, resolve, reject });
    next();
  });
}
