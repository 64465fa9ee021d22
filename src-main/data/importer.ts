// What an importer of one format gives to import.ts, which writes every format alike.

/** One split, opened but not yet read. Both streams can be read once, labels first. */
export interface SplitSource {
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

export interface DatasetSource {
  /** Folder or file that was found, absolute. */
  path: string;
  train: SplitSource;
  test: SplitSource;
}

export interface Importer {
  /** As given to `sdp import --as`. */
  kind: string;
  /** What it reads, for messages. */
  title: string;
  /** Whether the path looks like this format; reads names, not contents. */
  detect(path: string): Promise<boolean>;
  /** Checks headers and counts. Fails with a `data` error that names the file. */
  open(path: string): Promise<DatasetSource>;
}
