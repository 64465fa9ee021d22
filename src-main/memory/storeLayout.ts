// Layout of the shared parameter store: where each tensor, each worker's gradient slab and each shared array lies.
//
// Computed once, here; the Rust store validates and follows it (native/core/src/layout.rs). All offsets and sizes count float32
// scalars. Tensors lie in `values` (parameters, then buffers), each aligned to 16 scalars, in *store layout*: under neuron granularity
// the masked axis first, so that a unit's scalars are contiguous ("rows"). Optimizer state slots have the shape of the parameter part.
// A worker's slab holds, in tensor order, the rows that it holds: gradients of parameters and updated values of buffers.
// A *span* is a maximal range of rows with the same holders; it is contiguous in `values` and in every holder's slab.

import type { StoreLayout, StoreSpan, StoreTensor } from '../contract/records.ts';
import { heldRows, storeAxis, type Masks, type TensorSpec } from '../models/model.ts';

export type { StoreLayout, StoreSpan, StoreTensor } from '../contract/records.ts';

export interface LayoutOptions {
  numParticipants: number;
  /** Names of the optimizer's state. */
  optimizerSlots: string[];
  statisticsBatches: number;
  evaluationBatches: number;
}

const alignment = 16;
const align = (size: number) => Math.ceil(size / alignment) * alignment;
const product = (shape: readonly number[]) => shape.reduce((size, extent) => size * extent, 1);

/** Layout for a model under masks. Fails (a bug in the masks) where a row has no holder. */
export function storeLayout(specs: readonly TensorSpec[], masks: Masks, options: LayoutOptions): StoreLayout {
  const slabSizes = masks.held.map(() => 0);
  const spans = new Map<string, Span[]>();
  const tensors: StoreTensor[] = [];
  let offset = 0;
  let parameterSize = 0;
  const ordered = [...specs.filter((s) => s.kind === 'parameter'), ...specs.filter((s) => s.kind === 'buffer')];
  for (const spec of ordered) {
    const axis = storeAxis(spec, masks.granularity);
    const rows = axis === null ? 1 : spec.shape[axis]!;
    const rowSize = product(spec.shape) / rows;
    const placed = placeSpans(findSpans(spec, masks, rows, spans), rowSize, slabSizes);
    const decays = spec.kind === 'parameter' && spec.shape.length >= 2;
    tensors.push({
      name: spec.name,
      kind: spec.kind,
      shape: spec.shape,
      axis,
      offset,
      rows,
      rowSize,
      decays,
      spans: placed,
    });
    offset += align(rows * rowSize);
    if (spec.kind === 'parameter') parameterSize = offset;
  }
  return {
    version: 2,
    numWorkers: masks.held.length,
    numParticipants: options.numParticipants,
    optimizerSlots: options.optimizerSlots,
    tensors,
    valuesSize: offset,
    parameterSize,
    slabSizes,
    statisticsBatches: options.statisticsBatches,
    evaluationBatches: options.evaluationBatches,
  };
}

/** Start of a tensor's rows in the slab of a worker, or null where it holds none. */
export function slabOffset(tensor: StoreTensor, worker: number): number | null {
  for (const span of tensor.spans) {
    const position = span.holders.indexOf(worker);
    if (position >= 0) return span.slabOffsets[position]!;
  }
  return null;
}

/** Bytes of the store, but for its control block and small tables. */
export function storeBytes(layout: StoreLayout): number {
  const buffers = layout.valuesSize - layout.parameterSize;
  const slabs = layout.slabSizes.reduce((total, size) => total + size, 0);
  const optimizer = layout.optimizerSlots.length * layout.parameterSize;
  return 4 * (layout.valuesSize + optimizer + slabs + (1 + layout.statisticsBatches) * buffers);
}

/** Rows with the same holders, next to each other. */
type Span = Pick<StoreSpan, 'row' | 'rows' | 'holders'>;

/** Of tensors whose units lie alike, found once. */
function findSpans(spec: TensorSpec, masks: Masks, rows: number, known: Map<string, Span[]>): Span[] {
  const { neurons, block } = spec;
  const key = JSON.stringify(masks.granularity === 'block' ? block : neurons && { ...neurons, rows, axis: null });
  const found = known.get(key);
  if (found) return found;
  const holdersOfRow: number[][] = Array.from({ length: rows }, () => []);
  masks.held.forEach((of, worker) => {
    const held = heldRows(spec, masks.granularity, of) ?? holdersOfRow.keys();
    for (const row of held) holdersOfRow[row]!.push(worker);
  });
  const spans: Span[] = [];
  holdersOfRow.forEach((holders, row) => {
    if (holders.length === 0) throw new Error(`row ${row} of ${spec.name} is held by no worker`);
    const last = spans.at(-1);
    if (last && sameWorkers(last.holders, holders)) last.rows += 1;
    else spans.push({ row, rows: 1, holders });
  });
  known.set(key, spans);
  return spans;
}

const sameWorkers = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((worker, index) => worker === b[index]);

/** Places rows in the slabs of their holders, whose sizes it advances. */
function placeSpans(spans: readonly Span[], rowSize: number, slabSizes: number[]): StoreSpan[] {
  const ends = slabSizes.slice();
  const placed = spans.map(({ row, rows, holders }): StoreSpan => {
    const slabOffsets = holders.map((worker) => ends[worker]!);
    for (const worker of holders) ends[worker]! += rows * rowSize;
    return { row, rows, holders, slabOffsets };
  });
  ends.forEach((end, worker) => (slabSizes[worker]! += align(end - slabSizes[worker]!)));
  return placed;
}
