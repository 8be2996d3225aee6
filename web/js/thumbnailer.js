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
    // A canvas that is read is best kept in memory, not on the graphics card. What is transparent shows black: so the
    // classifier sees it.
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
const NUMBERS = { 8: ["getUint8", 1], 16: ["getInt16", 2], 32: ["getInt32", 4], "-32": ["getFloat32", 4], "-64": ["getFloat64", 8] };

async function fits(file) {
  if (file.size > LARGEST_FITS) throw new Error("too large");
  const packed = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  const whole = packed[0] === 31 && packed[1] === 139 ? file.stream().pipeThrough(new DecompressionStream("gzip")) : file;
  const bytes = await new Response(whole).arrayBuffer();
  for (let place = 0; place < bytes.byteLength;) {
    const { cards, end } = header(bytes, place);
    const axes = Array.from({ length: Number(cards.NAXIS) }, (_, axis) => Number(cards[`NAXIS${axis + 1}`]));
    const [, size] = NUMBERS[cards.BITPIX];
    if (axes.length > 1 && !/TABLE/.test(cards.XTENSION ?? "") && axes[0] > 1 && axes[1] > 1) return imageOf(new DataView(bytes, end), axes, cards);
    const count = axes.length ? axes.reduce((product, length) => product * length, 1) + Number(cards.PCOUNT ?? 0) : 0;
    place = end + Math.ceil((count * size) / BLOCK) * BLOCK;
  }
  throw new Error("no image");
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
