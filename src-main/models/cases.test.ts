// Graphs of every family in ONNX Runtime against the reference cases: losses and averaged gradients of step 0, statistics, evaluation loss.

import { describe, expect, it } from 'vitest';
import type { ExecutionProvider, Graph } from '../graph/graph.ts';
import { axisFirst, relativeError, takeRows } from '../testing/arrays.ts';
import { caseNames, readCase, type ReferenceCase } from '../testing/cases.ts';
import { openOnnx, runOnnx, type OpenedGraph, type TestTensor } from '../testing/runOnnx.ts';
import { storeAxis, type Granularity, type ModelDefinition, type ModelGraph } from './model.ts';
import { mapTrainingGraphs } from './sharedGraphs.ts';

/** Graphs for CUDA consist of standard operators, so the CPU provider can run them. */
const providers: ExecutionProvider[] = ['cpu', 'cuda'];
const tolerance = 1e-4;

/** Values of a graph's ports, from tensors in library layout. */
function portFeeds(
  model: ModelDefinition,
  granularity: Granularity,
  graph: ModelGraph,
  values: Map<string, TestTensor>,
) {
  return graph.inputs.map(({ port, tensor, rows }): [string, TestTensor] => {
    const axis = storeAxis(
      model.tensors.find((t) => t.name === tensor)!,
      granularity,
    );
    const stored = axis === null ? values.get(tensor)! : axisFirst(values.get(tensor)!, axis);
    return [port, rows ? takeRows(stored, rows) : stored];
  });
}

/** Mean over holders of what the workers output for each tensor, in store layout. */
class Average {
  private readonly sums = new Map<string, { sum: Float64Array; holders: Float64Array }>();

  add(name: string, rows: readonly number[] | null, numRows: number, value: TestTensor): void {
    const rowSize = value.data.length / (rows?.length ?? numRows);
    const entry = this.sums.get(name) ?? {
      sum: new Float64Array(numRows * rowSize),
      holders: new Float64Array(numRows * rowSize),
    };
    this.sums.set(name, entry);
    for (let i = 0; i < value.data.length; i++) {
      const row = Math.floor(i / rowSize);
      const at = (rows ? rows[row]! : row) * rowSize + (i % rowSize);
      entry.sum[at]! += value.data[i]!;
      entry.holders[at]! += 1;
    }
  }

  mean(name: string): Float64Array {
    const { sum, holders } = this.sums.get(name)!;
    return sum.map((s, i) => s / holders[i]!);
  }

  names(): string[] {
    return [...this.sums.keys()];
  }
}

async function firstStep(
  reference: ReferenceCase,
  provider: ExecutionProvider,
): Promise<{ losses: number[]; average: Average; model: ModelDefinition }> {
  const { model, masks, batch } = reference;
  const average = new Average();
  const losses: number[] = [];
  const workers = masks.held.map((held) => ({
    batch,
    held,
    provider,
    granularity: masks.granularity,
    masking: masks.masking,
  }));
  const opened = new Map<Graph, OpenedGraph>();
  for (const [worker, built] of mapTrainingGraphs(model, workers, (built) => built).entries()) {
    const feeds = new Map(portFeeds(model, masks.granularity, built, reference.init));
    feeds.set('input', reference.batches.get(`step0.worker${worker}.input`)!);
    feeds.set('label', reference.batches.get(`step0.worker${worker}.label`)!);
    const session = opened.get(built.graph) ?? (await openOnnx(built.graph));
    opened.set(built.graph, session);
    const results = await session.run(feeds);
    losses.push(results.get('loss')!.data[0]!);
    for (const { port, tensor, rows, shape } of built.outputs) {
      const spec = model.tensors.find((t) => t.name === tensor)!;
      const axis = storeAxis(spec, masks.granularity);
      expect(results.get(port)!.shape).toEqual(shape);
      average.add(port, rows, axis === null ? (rows?.length ?? shape[0]!) : spec.shape[axis]!, results.get(port)!);
    }
  }
  for (const session of opened.values()) await session.release();
  return { losses, average, model };
}

describe.each(caseNames)('%s', (name) => {
  it.each(providers)('gives the losses and averaged gradient of step 0, lowered for %s', async (provider) => {
    const reference = await readCase(name);
    const { losses, average, model } = await firstStep(reference, provider);
    expect(relativeError(losses, reference.losses[0]!)).toBeLessThan(tolerance);
    const errors = model.tensors
      .filter((spec) => spec.kind === 'parameter')
      .map((spec) => {
        const axis = storeAxis(spec, reference.masks.granularity);
        const expected = reference.expect.get(`grad0/${spec.name}`)!;
        const error = relativeError(
          average.mean(`grad/${spec.name}`),
          axis === null ? expected.data : axisFirst(expected, axis).data,
        );
        return [spec.name, error] as const;
      });
    expect(errors.filter(([, error]) => !(error < tolerance))).toEqual([]);
  });

  it.each(providers)('gives the evaluation loss for the final weights, lowered for %s', async (provider) => {
    const reference = await readCase(name);
    const { model } = reference;
    const { granularity } = reference.masks;
    const built = model.evaluation({ batch: reference.batch, granularity, branchScale: 1, provider });
    const final = new Map(
      [...reference.expect].filter(([k]) => k.startsWith('final/')).map(([k, v]) => [k.slice(6), v]),
    );
    const feeds = new Map(portFeeds(model, granularity, built, final));
    feeds.set('input', reference.batches.get('step0.worker0.input')!);
    feeds.set('label', reference.batches.get('step0.worker0.label')!);
    const results = await runOnnx(built.graph, feeds);
    const losses = Array.from(results.get('loss')!.data);
    const loss = losses.reduce((a, b) => a + b, 0) / losses.length;
    expect(Math.abs(loss / reference.evaluationLoss - 1)).toBeLessThan(tolerance);
  });
});
