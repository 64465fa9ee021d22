// What an importer of one format gives to import.ts, which writes every format alike.

import type { tokenTypes, TokenRange } from './tokens.ts';

/** One split of images, opened but not yet read. Both streams can be read once, labels first. */
export interface ImageSplit {
  /** [C,H,W] */
  sample: number[];
  samples: number;
  /** File that the labels come from, for messages. */
  labelsPath: string;
  /** `samples` class numbers, in chunks of any size. */
  labels: AsyncIterable<ArrayLike<number>>;
  /** `samples` images of bytes, [C,H,W] each, in chunks of any size. */
  images: AsyncIterable<Uint8Array>;
}

export interface ImageSource {
  kind: 'images';
  /** Folder or file that was found, absolute. */
  path: string;
  train: ImageSplit;
  test: ImageSplit;
}

export interface TokenSource {
  kind: 'tokens';
  path: string;
  train: TokenRange;
  test: TokenRange;
}

export type DatasetSource = ImageSource | TokenSource;

/** What a user may say about files that do not say it themselves. */
export interface FormatOptions {
  /** Type of tokens in .bin files. */
  dtype?: keyof typeof tokenTypes | undefined;
  /** Share of a single file of tokens that becomes the validation split. */
  validation?: number | undefined;
}

export interface Importer {
  /** As given to `sdp import --as`. */
  kind: string;
  /** What it reads, for messages. */
  title: string;
  /** Whether the path looks like this format; reads names, not contents. */
  detect(path: string): Promise<boolean>;
  /** Checks headers and counts. Fails with a `data` error that names the file. */
  open(path: string, options: FormatOptions): Promise<DatasetSource>;
}
