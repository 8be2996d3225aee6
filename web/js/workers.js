// Workers: scripts that run beside the page, which answers people meanwhile.

const SCRIPTS = ["thumbnailer.js", "vectors.js"];
let policy = null;

/** A worker, started when it is first asked. A message {id, …} is answered with one that has the same `id`. */
export class Assistant {
  /** @param {string} script - one of the page's workers. */
  constructor(script) {
    Object.assign(this, { script, worker: null, broken: false, count: 0 });
    this.asked = new Map(); // by number: what resolves the promise of an answer
  }

  /**
   * The answer to a message, or null where there is none: the worker cannot run, was ended, or did not answer `within` so many
   * milliseconds, after which it is ended.
   */
  ask(message, { within = 0, transfer = [] } = {}) {
    this.worker ??= this.start();
    if (this.broken) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.count += 1;
      const timer = within && setTimeout(() => this.end(), within);
      this.asked.set(this.count, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      this.worker.postMessage({ id: this.count, ...message }, transfer);
    });
  }

  /** Ends the worker with all that it holds; the next message starts another. */
  end() {
    this.worker?.terminate();
    this.worker = null;
    this.answerAll();
  }

  start() {
    const worker = new Worker(addressOf(this.script));
    worker.addEventListener("message", ({ data }) => this.answer(data.id, data));
    // Without it everything else goes on.
    worker.addEventListener("error", () => {
      this.broken = true;
      this.answerAll();
    });
    return worker;
  }

  answerAll() {
    this.asked.forEach((_, id) => this.answer(id, null));
  }

  answer(id, data) {
    this.asked.get(id)?.(data);
    this.asked.delete(id);
  }
}

/** The page's security policy lets this one policy make addresses of scripts, and it makes none but those of the workers. */
function addressOf(script) {
  const createScriptURL = (name) => (SCRIPTS.includes(name) ? new URL(name, import.meta.url).href : null);
  policy ??= globalThis.trustedTypes?.createPolicy("workers", { createScriptURL }) ?? { createScriptURL };
  return policy.createScriptURL(script);
}
