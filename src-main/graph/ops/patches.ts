// Which rows of a channels-last matrix [batch*height*width, channels] a 2-D convolution reads for each output pixel.

export type Geometry = {
  strides: readonly number[];
  /** Top, left, bottom, right. */
  pads: readonly number[];
};

export interface PatchGeometry extends Geometry {
  kernel: readonly number[];
  batch: number;
  /** Height and width of what is read, and of the result. */
  image: readonly number[];
  output: readonly number[];
}

/** For each output pixel, the row of every kernel position (last first where `turned`); batch*height*width where that is padding. */
export function patchRows(geometry: PatchGeometry & { turned?: boolean }): number[] {
  const { strides, pads, kernel, batch, image, output, turned } = geometry;
  const [height, width] = image as [number, number];
  const [r, s] = kernel as [number, number];
  const outside = batch * height * width;
  const rows = new Array<number>(batch * output[0]! * output[1]! * r * s);
  let at = 0;
  for (let n = 0; n < batch; n++)
    for (let y = 0; y < output[0]!; y++)
      for (let x = 0; x < output[1]!; x++)
        for (let tap = 0; tap < r * s; tap++) {
          const [i, j] = turned ? [r - 1 - Math.floor(tap / s), s - 1 - (tap % s)] : [Math.floor(tap / s), tap % s];
          const [h, w] = [y * strides[0]! - pads[0]! + i, x * strides[1]! - pads[1]! + j];
          rows[at++] = h >= 0 && h < height && w >= 0 && w < width ? (n * height + h) * width + w : outside;
        }
  return rows;
}

/**
 * The reverse: for each pixel of the image, the rows of the matrix [(batch*output pixels)*kernel positions, channels] that belong to it,
 * filled up to `perPixel` with the row after the last.
 */
export function scatterRows(geometry: PatchGeometry): { rows: number[]; perPixel: number } {
  const taps = geometry.kernel[0]! * geometry.kernel[1]!;
  const pixels = geometry.batch * geometry.image[0]! * geometry.image[1]!;
  const contributions: number[][] = Array.from({ length: pixels }, () => []);
  const sources = patchRows(geometry);
  sources.forEach((pixel, row) => contributions[pixel]?.push(row));
  const perPixel = Math.max(1, ...contributions.map((list) => list.length));
  const outside = geometry.batch * geometry.output[0]! * geometry.output[1]! * taps;
  const rows = contributions.flatMap((list) => [...list, ...new Array<number>(perPixel - list.length).fill(outside)]);
  return { rows, perPixel };
}
