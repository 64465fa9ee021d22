import { describe, expect, it } from 'vitest';
import type { Masks, TensorSpec } from '../models/model.ts';
import { slabOffset, storeLayout, type StoreLayout } from './storeLayout.ts';

const options = { numParticipants: 2, optimizerSlots: ['momentum'], statisticsBatches: 0, evaluationBatches: 1 };
const tensor = (name: string, shape: number[], place: Partial<TensorSpec>): TensorSpec => ({
  name,
  kind: 'parameter',
  shape,
  init: { kind: 'constant', value: 0 },
  block: null,
  neurons: null,
  ...place,
});
const specs = [
  tensor('conv.weight', [3, 4, 1, 1], { block: 'a', neurons: { group: 'a/channels', axis: 1 } }),
  tensor('mean', [4], { kind: 'buffer', block: 'a', neurons: { group: 'a/channels', axis: 0 } }),
  tensor('bias', [3], {}),
];
const neuron: Masks = {
  granularity: 'neuron',
  masking: 'forward',
  held: [
    { blocks: ['a'], neurons: { 'a/channels': [0, 1, 3] } },
    { blocks: ['a'], neurons: { 'a/channels': [1, 2] } },
  ],
};

/** Every held scalar of every worker lies once in its slab, and spans agree with the masks. */
function slabRanges(layout: StoreLayout, worker: number): [number, number][] {
  return layout.tensors
    .flatMap((t) =>
      t.spans.flatMap((span): [number, number][] => {
        const at = span.holders.indexOf(worker);
        return at < 0 ? [] : [[span.slabOffsets[at]!, span.slabOffsets[at]! + span.rows * t.rowSize]];
      }),
    )
    .sort((a, b) => a[0] - b[0]);
}

describe('storeLayout', () => {
  it('puts parameters before buffers, the masked axis first, and cuts spans where holders change', () => {
    const layout = storeLayout(specs, neuron, options);
    expect(layout.tensors.map((t) => [t.name, t.axis, t.offset, t.rows, t.rowSize, t.decays])).toEqual([
      ['conv.weight', 1, 0, 4, 3, true],
      ['bias', null, 16, 1, 3, false],
      ['mean', 0, 32, 4, 1, false],
    ]);
    expect([layout.parameterSize, layout.valuesSize, layout.slabSizes]).toEqual([32, 48, [48, 48]]);
    expect(layout.tensors[0]!.spans).toEqual([
      { row: 0, rows: 1, holders: [0], slabOffsets: [0] },
      { row: 1, rows: 1, holders: [0, 1], slabOffsets: [3, 0] },
      { row: 2, rows: 1, holders: [1], slabOffsets: [3] },
      { row: 3, rows: 1, holders: [0], slabOffsets: [6] },
    ]);
    expect([slabOffset(layout.tensors[0]!, 1), slabOffset(layout.tensors[1]!, 1)]).toEqual([0, 16]);
  });

  it('gives every worker ranges that do not overlap and fit its slab', () => {
    const layout = storeLayout(specs, neuron, options);
    for (const worker of [0, 1]) {
      let end = 0;
      for (const [from, to] of slabRanges(layout, worker)) {
        expect(from).toBeGreaterThanOrEqual(end);
        end = to;
      }
      expect(end).toBeLessThanOrEqual(layout.slabSizes[worker]!);
    }
  });

  it('keeps library layout and whole tensors under block granularity', () => {
    const block: Masks = {
      granularity: 'block',
      masking: 'backward',
      held: [
        { blocks: ['a'], neurons: {} },
        { blocks: [], neurons: {} },
      ],
    };
    const layout = storeLayout(specs, block, options);
    expect(layout.tensors[0]).toMatchObject({ axis: null, rows: 1, rowSize: 12 });
    expect(layout.tensors.map((t) => t.spans[0]!.holders)).toEqual([[0], [0, 1], [0]]);
    expect(slabOffset(layout.tensors[0]!, 1)).toBeNull();
  });

  it('keeps the rows of a unit that spans several together', () => {
    const spanned = tensor('q.weight', [6, 2], { block: 'a', neurons: { group: 'a/channels', axis: 0, span: 3 } });
    const halves: Masks = {
      ...neuron,
      held: [
        { blocks: ['a'], neurons: { 'a/channels': [1] } },
        { blocks: ['a'], neurons: { 'a/channels': [0, 1] } },
      ],
    };
    const layout = storeLayout([spanned], halves, options);
    expect(layout.tensors[0]).toMatchObject({ axis: 0, rows: 6, rowSize: 2 });
    expect(layout.tensors[0]!.spans).toEqual([
      { row: 0, rows: 3, holders: [1], slabOffsets: [0] },
      { row: 3, rows: 3, holders: [0, 1], slabOffsets: [0, 6] },
    ]);
    expect(layout.slabSizes).toEqual([16, 16]);
  });

  it('refuses masks that leave a row without holder', () => {
    const gap: Masks = { ...neuron, held: [neuron.held[1]!] };
    expect(() => storeLayout(specs, gap, options)).toThrow('row 0 of conv.weight is held by no worker');
  });
});
