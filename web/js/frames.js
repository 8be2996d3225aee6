// The page's own pace: changes are shown together at the next frame, long lists in portions.

const PORTION_MS = 6; // of the 16 ms of a frame; the rest is the browser's, for style, layout and paint
const HIDDEN_MS = 500;

/** A function that runs `task` soon, once, however often it is called until then; `rest` gives the least ms between two runs. */
export function atFrame(task, rest = () => 0) {
  let planned = false;
  let last = -Infinity;
  return () => {
    if (planned) return;
    planned = true;
    let frame = 0;
    let timer = 0;
    const run = () => {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
      planned = false;
      last = performance.now();
      task();
    };
    const begin = () => {
      frame = requestAnimationFrame(run);
      timer = setTimeout(run, HIDDEN_MS); // a page in the background gets no frames
    };
    const wait = last + rest() - performance.now();
    if (wait > 0) setTimeout(begin, wait);
    else begin();
  };
}

/** Does `job` with members of `waiting` (a Set), oldest first, and takes them out; returns whether there was time for all. */
export function portion(waiting, job) {
  const end = performance.now() + PORTION_MS;
  for (const each of waiting) {
    waiting.delete(each);
    job(each);
    if (performance.now() > end) return waiting.size === 0;
  }
  return true;
}
