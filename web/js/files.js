// From what a person dropped or chose to a list of files, and what can be said of a file before it is sent.

const TYPES = new Map([
  ["jpg", "image/jpeg"], ["jpeg", "image/jpeg"], ["png", "image/png"], ["webp", "image/webp"],
  ["gif", "image/gif"], ["bmp", "image/bmp"], ["tif", "image/tiff"], ["tiff", "image/tiff"],
  ["jp2", "image/jp2"], ["ppm", "image/x-portable-pixmap"],
  ["fits", "image/fits"], ["fit", "image/fits"], ["fts", "image/fits"],
  ["gz", "application/octet-stream"], // a compressed FITS file
]);

/** End of a file name after its last dot, in lower case; empty when there is none. */
export function extension(name) {
  const dot = name.lastIndexOf(".");
  return dot < 0 ? "" : name.slice(dot + 1).toLowerCase();
}

/** Media type of a file: by its extension (browsers do not know FITS), else what the browser says. */
export function mediaType(file) {
  return TYPES.get(extension(file.name)) ?? (file.type || "application/octet-stream");
}

/** Why a file cannot be sent, or null. A rough check: the classifier looks at the bytes. */
export function objection(file, maxBytes) {
  if (!isPicture(file)) return "This is not a picture. JPEG, PNG, WebP, TIFF and FITS files can be classified.";
  if (file.size === 0) return "The file is empty.";
  if (file.size > maxBytes) return `The file is larger than ${inWords(maxBytes)}.`;
  return null;
}

/** A number of bytes for people, such as "4.2 MiB". */
export function inWords(bytes) {
  const units = ["bytes", "KiB", "MiB", "GiB"];
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1);
  const value = bytes / 1024 ** power;
  return `${value >= 100 || Number.isInteger(value) ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}

/**
 * The pictures that an input element holds: {found: [{file, name}], skipped}.
 * A whole folder brings other files along: they are counted in `skipped`, not shown.
 */
export function fromInput(input) {
  const found = Array.from(input.files, (file) => ({ file, name: file.webkitRelativePath || file.name }));
  return input.webkitdirectory ? picturesOf(found) : { found, skipped: 0 };
}

/** The same for a drop; folders are walked until more than `limit` pictures are found. */
export async function fromDrop(transfer, limit) {
  // The entries must be taken before the first await: the browser empties the transfer after the event.
  const entries = Array.from(transfer.items ?? [], (item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const loose = Array.from(transfer.files, (file) => ({ file, name: file.name }));
  if (!entries.some((entry) => entry.isDirectory)) return { found: loose, skipped: 0 };
  const total = { found: [], skipped: 0 };
  for (const entry of entries) await walk(entry, limit, total);
  total.found.sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
  return total;
}

function isPicture(file) {
  return TYPES.has(extension(file.name)) || (file.type.startsWith("image/") && file.type !== "image/svg+xml");
}

function picturesOf(found) {
  const pictures = found.filter(({ file }) => isPicture(file));
  return { found: pictures, skipped: found.length - pictures.length };
}

async function walk(entry, limit, total) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    if (isPicture(file)) total.found.push({ file, name: entry.fullPath.replace(/^\//, "") });
    else total.skipped += 1;
    return;
  }
  const reader = entry.createReader();
  while (total.found.length <= limit) {
    // A reader hands out a folder in portions and ends with an empty one.
    const children = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!children.length) return;
    for (const child of children) {
      if (total.found.length <= limit) await walk(child, limit, total);
    }
  }
}
