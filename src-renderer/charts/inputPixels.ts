// From what is on a canvas to what a model takes: uint8 [C,H,W]. What is drawn by hand is brought to the middle at the size that digits of
// MNIST have in their frame (20 of 28); an image is cut to the shape of the model at its centre.

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** The smallest box around all pixels that are not black; null where all are. */
export function inkBox(rgba: Uint8ClampedArray, width: number): Box | null {
  let [left, top, right, bottom] = [Infinity, Infinity, -1, -1];
  for (let at = 0; at < rgba.length; at += 4) {
    if (rgba[at]! < 32) continue;
    const [x, y] = [(at / 4) % width, Math.floor(at / 4 / width)];
    [left, right] = [Math.min(left, x), Math.max(right, x)];
    [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
  }
  return right < 0 ? null : { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
}

const digitShare = 20 / 28;

/** Where a box goes in a frame: in the middle, its longer side a fixed share of the frame. */
export function centredIn(box: Box, width: number, height: number): Box {
  const scale = (digitShare * Math.min(width, height)) / Math.max(box.width, box.height);
  const size = { width: box.width * scale, height: box.height * scale };
  return { x: (width - size.width) / 2, y: (height - size.height) / 2, ...size };
}

/** The largest part of an image, at its centre, that has the shape of the frame. */
export function coverBox(imageWidth: number, imageHeight: number, width: number, height: number): Box {
  const scale = Math.min(imageWidth / width, imageHeight / height);
  const size = { width: width * scale, height: height * scale };
  return { x: (imageWidth - size.width) / 2, y: (imageHeight - size.height) / 2, ...size };
}

/** Grey by luminance for one channel, else red, green and blue. */
export function modelPixels(rgba: Uint8ClampedArray, channels: number, inverted: boolean): Uint8Array {
  const plane = rgba.length / 4;
  const pixels = new Uint8Array(channels * plane);
  const shown = (value: number) => (inverted ? 255 - value : value);
  for (let place = 0; place < plane; place++) {
    const [red, green, blue] = [rgba[4 * place]!, rgba[4 * place + 1]!, rgba[4 * place + 2]!];
    if (channels === 1) pixels[place] = shown(Math.round(0.299 * red + 0.587 * green + 0.114 * blue));
    else [red, green, blue].forEach((value, channel) => (pixels[channel * plane + place] = shown(value)));
  }
  return pixels;
}
