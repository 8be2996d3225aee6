// The worker that draws thumbnails: a message {id, file} is answered with {id, blob}; blob is null for what cannot be shown.

const SIDE = 320; // pixels of the shorter side: a card's width on a screen of double density

addEventListener("message", async ({ data: { id, file } }) => {
  postMessage({ id, blob: await draw(file).catch(() => null) });
});

async function draw(file) {
  const picture = await createImageBitmap(file);
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
