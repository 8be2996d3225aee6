// The worker that draws thumbnails: a message {id, file} is answered with {id, blob}; blob is null for what cannot be shown.

const SIDE = 320; // pixels of the shorter side: a card's width on a screen of double density

addEventListener("message", async ({ data: { id, file } }) => {
  postMessage({ id, blob: await draw(file).catch(() => null) });
});

async function draw(file) {
  const picture = await createImageBitmap(file).catch(() => fits(file));
  try {
    const scale = Math.min(1, SIDE / Math.min(picture.width, picture.height));
    const canvas = new OffscreenCanvas(Math.ceil(picture.width * scale), Math.ceil(picture.height * scale));
    // A canvas that is read is best kept in memory, not on the graphics card. What is transparent shows black.
    const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    context.imageSmoothingQuality = "medium";
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    return await canvas.convertToBlob({ type: "image/jpeg", quality: 0.85 });
  } finally {
    picture.close();
  }
}

// --- FITS (standard 4.0): the first image of a file that is not packed in tiles, in the stretch of the classifier ---

const BLOCK = 2880;
const CARD = 80;
const WHITE = 0.997; // share of the pixels that are no brighter
const LARGEST_FITS = 64 * 2 ** 20;
const MAGIC = "SIMPLE  =";
const MOST_AXES = 999;
const NUMBERS = { 8: ["getUint8", 1], 16: ["getInt16", 2], 32: ["getInt32", 4], "-32": ["getFloat32", 4], "-64": ["getFloat64", 8] };

async function fits(file) {
  if (file.size > LARGEST_FITS) throw new Error("too large");
  const bytes = await unpacked(file);
  for (let place = 0; place < bytes.byteLength;) {
    const { cards, end } = header(bytes, place);
    const axes = Array.from({ length: whole(cards.NAXIS, MOST_AXES) }, (_, axis) => whole(cards[`NAXIS${axis + 1}`]));
    const [, size] = NUMBERS[cards.BITPIX];
    if (axes.length > 1 && !/TABLE/.test(cards.XTENSION ?? "") && axes[0] > 1 && axes[1] > 1) return imageOf(new DataView(bytes, end), axes, cards);
    const count = axes.length ? axes.reduce((product, length) => product * length, 1) + whole(cards.PCOUNT ?? 0) : 0;
    place = end + Math.ceil((count * size) / BLOCK) * BLOCK;
  }
  throw new Error("no image");
}

/** All bytes of a file that begins as FITS does. How much a gzip file holds is known only once it is unpacked. */
async function unpacked(file) {
  const [first, second] = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  const stream = file.stream();
  const reader = (first === 31 && second === 139 ? stream.pipeThrough(new DecompressionStream("gzip")) : stream).getReader();
  const parts = [];
  let [head, size] = ["", 0];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return new Blob(parts).arrayBuffer();
    head += String.fromCharCode(...value.subarray(0, MAGIC.length - head.length));
    size += value.length;
    parts.push(value);
    if (MAGIC.startsWith(head) && size <= LARGEST_FITS) continue;
    reader.cancel().catch(() => {});
    throw new Error("no FITS, or too large");
  }
}

/** A length, never negative: so each header leads on. */
function whole(value, most = Infinity) {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 0 || number > most) throw new Error("no length");
  return number;
}

function header(bytes, start) {
  const cards = {};
  for (let place = start; place < bytes.byteLength; place += CARD) {
    const card = String.fromCharCode(...new Uint8Array(bytes, place, CARD));
    if (card.startsWith("END  ")) return { cards, end: start + Math.ceil((place + CARD - start) / BLOCK) * BLOCK };
    if (card[8] === "=") cards[card.slice(0, 8).trim()] = card.slice(10).split("/")[0].trim();
  }
  throw new Error("no end");
}

/** The first plane, each of its cells so many pixels apart, north as it lies: the first row is the lowest. */
function imageOf(data, [width, height], cards) {
  const [read, size] = NUMBERS[cards.BITPIX];
  if (width * height * size > data.byteLength) throw new Error("cut off");
  const step = Math.max(1, Math.floor(Math.min(width, height) / SIDE));
  const [columns, rows] = [Math.floor(width / step), Math.floor(height / step)];
  const blank = Number(cards.BLANK ?? NaN);
  const values = Float32Array.from({ length: columns * rows }, (_, place) => {
    const row = (rows - 1 - Math.floor(place / columns)) * step;
    const value = data[read]((row * width + (place % columns) * step) * size);
    return value === blank ? NaN : value * Number(cards.BSCALE ?? 1);
  });
  const sorted = values.filter(Number.isFinite).sort();
  const sky = sorted[sorted.length >> 1] ?? 0;
  const range = (sorted[Math.floor(sorted.length * WHITE)] ?? 1) - sky || 1;
  const picture = new ImageData(columns, rows);
  values.forEach((value, place) => {
    const light = Number.isFinite(value) ? (255 * Math.asinh((10 * (value - sky)) / range)) / Math.asinh(10) : 0;
    picture.data.set([light, light, light, 255], 4 * place);
  });
  return createImageBitmap(picture);
}
