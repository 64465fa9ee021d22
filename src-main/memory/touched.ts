// Which parts of the store a device process has in memory at the end of training steps and of an evaluation.
//
// A step touches the rows that the device's workers hold (in `values` and in their slabs; all values where they run the whole network), and its share of the chunks: the values, the
// optimizer's state and the gradients of all holders there. Chunks and shares are cut as in native/core/src/chunks.rs. An evaluation reads all
// values. The system maps pages that are read in windows, so that bytes are counted by the window.

import type { StoreLayout, StoreSpan, StoreTensor } from './storeLayout.ts';

const chunkScalars = 16 * 1024;
/** Linux maps the pages around one that is read, in aligned windows of 64 KiB. */
const windowScalars = (64 * 1024) / 4;

export interface Touched {
  weights: number;
  gradients: number;
  optimizer: number;
}

/** Of each update: the parts [from, to) of `of` equal ones. */
export interface Share {
  from: number;
  to: number;
  of: number;
}

/** By the threads of the devices, in their order. */
export function sharesOf(devices: readonly { threads: number }[]): Share[] {
  const of = devices.reduce((sum, { threads }) => sum + threads, 0);
  let from = 0;
  return devices.map(({ threads }) => ({ from, to: (from += threads), of }));
}

export interface Participant {
  share: Share;
  workers: readonly number[];
  /** Workers run the whole network forward (backward masking). */
  whole: boolean;
}

/** Bytes that training steps touch on a participant. */
export function touchedInSteps(layout: StoreLayout, { share, workers, whole }: Participant): Touched {
  const values = new Windows(layout.valuesSize);
  const slot = new Windows(layout.parameterSize);
  const slabs = layout.slabSizes.map((size) => new Windows(size));
  const isOwn = layout.slabSizes.map((_, worker) => workers.includes(worker));
  for (const tensor of layout.tensors) {
    for (const span of tensor.spans) {
      const size = span.rows * tensor.rowSize;
      if (whole || span.holders.some((holder) => isOwn[holder])) values.add(offsetOf(tensor, span), size);
      span.holders.forEach((holder, i) => {
        if (isOwn[holder]) slabs[holder]!.add(span.slabOffsets[i]!, size);
      });
    }
  }
  for (const { tensor, span, start, size } of chunksOf(layout, share)) {
    values.add(offsetOf(tensor, span) + start, size);
    if (tensor.kind === 'parameter') slot.add(offsetOf(tensor, span) + start, size);
    span.holders.forEach((holder, i) => slabs[holder]!.add(span.slabOffsets[i]! + start, size));
  }
  return {
    weights: values.bytes,
    gradients: slabs.reduce((sum, slab) => sum + slab.bytes, 0),
    optimizer: layout.optimizerSlots.length * slot.bytes,
  };
}

const offsetOf = (tensor: StoreTensor, span: StoreSpan): number => tensor.offset + span.row * tensor.rowSize;

interface Chunk {
  tensor: StoreTensor;
  span: StoreSpan;
  /** Start in the span, and scalars. */
  start: number;
  size: number;
}

/** The chunks that a participant averages and updates: contiguous, of equal bytes moved as nearly as chunks allow. */
function chunksOf(layout: StoreLayout, { from, to, of }: Share): Chunk[] {
  const chunks: Chunk[] = [];
  /** Bytes that the chunks up to and with each one move. */
  const costs: number[] = [];
  for (const tensor of layout.tensors) {
    const slots = tensor.kind === 'parameter' ? layout.optimizerSlots.length : 0;
    for (const span of tensor.spans) {
      const spanSize = span.rows * tensor.rowSize;
      for (let start = 0; start < spanSize; start += chunkScalars) {
        const size = Math.min(chunkScalars, spanSize - start);
        chunks.push({ tensor, span, start, size });
        costs.push((costs.at(-1) ?? 0) + 4 * size * (span.holders.length + 2 * (1 + slots)));
      }
    }
  }
  const edge = (part: number) => {
    const bytes = Math.floor(((costs.at(-1) ?? 0) * part) / of);
    const index = costs.findIndex((cost) => cost >= bytes);
    return bytes === 0 ? 0 : index < 0 ? chunks.length : index + 1;
  };
  return chunks.slice(edge(from), to === of ? chunks.length : edge(to));
}

/** Windows of an area in which something was touched. */
class Windows {
  private readonly touched: Uint8Array;

  /** `areaSize`: scalars of the area, which may end in a window. */
  constructor(private readonly areaSize: number) {
    this.touched = new Uint8Array(Math.ceil(areaSize / windowScalars));
  }

  add(offset: number, size: number): void {
    this.touched.fill(1, Math.floor(offset / windowScalars), Math.floor((offset + size - 1) / windowScalars) + 1);
  }

  get bytes(): number {
    const windows = this.touched.reduce((count, touched) => count + touched, 0);
    return 4 * Math.min(this.areaSize, windows * windowScalars);
  }
}
