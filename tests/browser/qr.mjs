// Reads the picture of a code as a camera does: from its pixels.

import decode from "qr/decode.js";

/** The text in a picture on a page. */
export async function readQr(page, picture) {
  const png = (await picture.screenshot()).toString("base64");
  const { width, height, data } = await page.evaluate(async (png) => {
    const bytes = Uint8Array.from(atob(png), (letter) => letter.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
    canvas.drawImage(bitmap, 0, 0);
    const { width, height, data } = canvas.getImageData(0, 0, bitmap.width, bitmap.height);
    return { width, height, data: [...data] };
  }, png);
  return decode({ width, height, data: Uint8Array.from(data) });
}
