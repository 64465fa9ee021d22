// Where tokens go in a Swin Transformer: windows, shifts, merging of patches, relative positions. Index arithmetic only.
//
// Tokens of an image lie in row-major order, and so do windows and the tokens of a window. All lists are indices for Take (graph/ops/take.ts):
// entry i says which entry of the source comes to place i, -1 a zero. As in torchvision's shifted_window_attention: the image is padded
// to a multiple of the window at the right and at the bottom, and there is no shift along an axis that one window covers.

export type Extents = readonly [number, number];

export interface WindowPlan {
  numWindows: number;
  /** Tokens of a window. */
  size: number;
  /** Tokens of the image -> tokens of all windows, one window after the other. */
  partition: number[];
  /** Tokens of all windows -> tokens of the image. */
  restore: number[];
  /** Region of each token of all windows: tokens of different regions do not attend to each other. Null without a shift: all may. */
  regions: number[] | null;
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Windows of an image of `image` tokens, shifted by half a window or not. */
export function planWindows(image: Extents, window: Extents, shifted: boolean): WindowPlan {
  const padded = image.map((extent, i) => Math.ceil(extent / window[i]!) * window[i]!) as [number, number];
  const shift = padded.map((extent, i) => (shifted && window[i]! < extent ? Math.floor(window[i]! / 2) : 0));
  const places = windowPlaces(padded, window);
  const partition = places.map(([row, column]) => {
    const [y, x] = [(row + shift[0]!) % padded[0], (column + shift[1]!) % padded[1]];
    return y < image[0] && x < image[1] ? y * image[1] + x : -1;
  });
  const restore = new Array<number>(image[0] * image[1]).fill(-1);
  partition.forEach((token, place) => token >= 0 && (restore[token] = place));
  const region = ([row, column]: Extents) =>
    3 * regionOf(row, padded[0], window[0], shift[0]!) + regionOf(column, padded[1], window[1], shift[1]!);
  return {
    numWindows: places.length / (window[0] * window[1]),
    size: window[0] * window[1],
    partition,
    restore,
    regions: shift.some((by) => by > 0) ? places.map(region) : null,
  };
}

/** Row and column of every token of every window in the padded, shifted image. */
function windowPlaces(padded: Extents, window: Extents): Extents[] {
  return range(padded[0] / window[0]).flatMap((top) =>
    range(padded[1] / window[1]).flatMap((left) =>
      range(window[0]).flatMap((y) =>
        range(window[1]).map((x): Extents => [top * window[0] + y, left * window[1] + x]),
      ),
    ),
  );
}

/** Before the last window; in it, but not from the other end; from the other end. One region where nothing is shifted. */
function regionOf(position: number, extent: number, window: number, shift: number): number {
  if (shift === 0 || position < extent - window) return 0;
  return position < extent - shift ? 1 : 2;
}

/** Tokens of the image -> for every token of the merged image the four that it is made of: down, then across. Odd extents are padded. */
export function mergedTokens([height, width]: Extents): number[] {
  const corners: Extents[] = [
    [0, 0],
    [1, 0],
    [0, 1],
    [1, 1],
  ];
  return range(Math.ceil(height / 2)).flatMap((row) =>
    range(Math.ceil(width / 2)).flatMap((column) =>
      corners.map(([down, across]) => {
        const [y, x] = [2 * row + down, 2 * column + across];
        return y < height && x < width ? y * width + x : -1;
      }),
    ),
  );
}

export const mergedExtents = ([height, width]: Extents): Extents => [Math.ceil(height / 2), Math.ceil(width / 2)];

/** torchvision's relative_position_index: the entry of the bias table for every pair of tokens of a window. */
export function relativePositions(window: Extents): number[] {
  const tokens = range(window[0] * window[1]).map((i): Extents => [Math.floor(i / window[1]), i % window[1]]);
  return tokens.flatMap(([y, x]) =>
    tokens.map(([v, u]) => (y - v + window[0] - 1) * (2 * window[1] - 1) + (x - u + window[1] - 1)),
  );
}
