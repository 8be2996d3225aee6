// Where a file can stand, and what the page says of it there.

const SAVE_AGAIN = "Save or download the picture again, and drop it anew.";

/** By state: heading of the card, badge on its picture, what its buttons say. */
export const STATES = {
  waiting: { verdict: "In line", badge: "In line", cancel: "Cancel" },
  uploading: { verdict: "Uploading", badge: "Uploading", cancel: "Cancel" },
  classifying: { verdict: "Looking closely", badge: "Classifying", cancel: "Stop waiting" },
  twin: { verdict: "Dropped before", badge: "Duplicate", again: "Send it all the same" },
  classified: {},
  rejected: { verdict: "Not classified", badge: "Rejected" },
  failed: { verdict: "Not uploaded", badge: "Failed", again: "Try again" },
  cancelled: { verdict: "Cancelled", badge: "Cancelled", again: "Upload it" },
  late: { verdict: "No answer yet", badge: "Late", again: "Keep waiting" },
  unreadable: { verdict: "Unknown result", badge: "Failed" },
};

const ENDED = new Set(["classified", "rejected", "failed", "cancelled", "late", "unreadable"]);

/** What to do about a file that was rejected, by the code of the rejection. */
const ADVICE = {
  empty: SAVE_AGAIN,
  too_large: "Cut the galaxy out, or save the picture smaller.",
  too_many_pixels: "Cut the galaxy out, or save the picture smaller.",
  not_an_image: "Choose a JPEG, PNG, WebP, TIFF or FITS file.",
  unsupported_format: "Save it as JPEG, PNG, WebP, TIFF or FITS.",
  damaged: SAVE_AGAIN,
  no_picture: "Choose an image that shows one galaxy in its middle.",
  archived: "Have it restored from the archive, then swept again.",
  encrypted: "Store it without a key of its own.",
  unreadable: "Store it anew.",
};

/** Whether nothing more happens to an item by itself. */
export const isOver = (item) => ENDED.has(item.state);

/** Whether an item needs a person: it failed, and trying again may help. */
export const canRetry = (item) => item.state === "failed" || item.state === "late" || item.state === "cancelled";

/** Whether bytes of an item are still to be sent. */
export const isSending = (item) => item.state === "waiting" || item.state === "uploading";

/** Whether there is a prediction of an item: a class, or the values of a task that is no classification. */
export const isJudged = (item) => Boolean(item.result?.prediction);

/** The result that the first model's judgement is, or a further one's by its name; null where there is none, or no prediction. */
export function resultBy({ result, others }, served) {
  const found = served ? others?.[served] : result;
  return found?.prediction ? found : null;
}

/** Names of the further models that the items have results of. */
export const modelsOf = (items) => [...new Set(items.flatMap(({ others }) => Object.keys(others ?? {})))].sort();

/** Names of all the `probabilities`, `values` or `votes` that the items' predictions have. */
export const namesOf = (items, member) => [...new Set(items.flatMap(({ result }) => Object.keys(result?.prediction?.[member] ?? {})))];

/** The predicted class of an item, or undefined. */
export const classOf = (item) => item.result?.prediction?.class;

/** What a prediction is marked as, the graver mark first: its badge, and in words; null for none. */
export function markOf(prediction) {
  if (prediction?.no_galaxy) return { badge: "No galaxy?", words: "probably not a galaxy" };
  return prediction?.unsure ? { badge: "Unsure", words: "unsure" } : null;
}

/** What to do about the state an item is in, in words; empty when there is nothing to do. */
export function adviceFor({ state, result, twin }) {
  if (twin) return `The same picture as ${twin.name}: it was not sent twice.`;
  if (state === "rejected") return ADVICE[result?.rejection?.code] ?? "";
  if (state === "late") return "It is classified as soon as the classifier can. The link above shows it then.";
  return "";
}
