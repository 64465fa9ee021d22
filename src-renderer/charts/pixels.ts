// Pixels of a dataset as the browser draws them.

/** RGBA of uint8 [C,H,W]; one channel is grey, further than three are left out. */
export function rgbaOf(
  pixels: Uint8Array,
  [channels = 1, height = 1, width = 1]: readonly number[],
): Uint8ClampedArray {
  const plane = height * width;
  const rgba = new Uint8ClampedArray(4 * plane);
  for (let place = 0; place < plane; place++) {
    for (let channel = 0; channel < 3; channel++)
      rgba[4 * place + channel] = pixels[Math.min(channel, channels - 1) * plane + place]!;
    rgba[4 * place + 3] = 255;
  }
  return rgba;
}

export function bytesOfBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
}

/** Base64 of bytes, in pieces that fit the stack. */
export function base64Of(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}
