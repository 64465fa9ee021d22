// Timing one graph on a device, each in a process of its own, since drivers are found through variables that are set before it starts.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { add1, GraphBuilder, type Op } from './graph/graph.ts';
import { toOnnx } from './graph/onnx.ts';
import { add, cast, greater } from './graph/ops/elementwise.ts';
import { matMul } from './graph/ops/linalg.ts';
import { reduceSum } from './graph/ops/broadcast.ts';
import type { TimingOptions } from './native.ts';
import { onSoftwareVulkan, softwareVulkan } from './testing/softwareVulkan.ts';
import { runtimeLibrary } from './runtime/runtimeLibrary.ts';

const folder = mkdtempSync(join(tmpdir(), 'sdp-timing-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Result {
  ms: number[];
  outputs: number[][];
}

/** Timings in one process, one for each of the options. */
async function timings(
  graph: Uint8Array,
  options: Partial<TimingOptions>[],
  variables: Readonly<Record<string, string>> = {},
): Promise<Result[]> {
  const path = join(folder, 'graph.onnx');
  writeFileSync(path, graph);
  const usual = { preload: [], index: 0, threads: 1, customOperators: false, warmUps: 1, repeats: 3, seed: 1 };
  const calls = options.map((changes) => ({ ...usual, runtimeLibrary: runtimeLibrary(), kind: 'cpu', ...changes }));
  const script = `
    const addon = require(${JSON.stringify(join(import.meta.dirname, '../native/binding/sdp.node'))});
    const onnx = require('node:fs').readFileSync(${JSON.stringify(path)});
    (async () => {
      const results = [];
      for (const call of ${JSON.stringify(calls)}) {
        const { ms, outputs } = await addon.timeGraph(onnx, call);
        results.push({ ms, outputs: outputs.map((output) => [...output]) });
      }
      return { results };
    })().catch((error) => ({ message: error.message })).then((answer) => console.log(JSON.stringify(answer)));`;
  const env = { ...process.env, ...variables };
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], { env, maxBuffer: 1 << 26 });
  const { results, message } = JSON.parse(stdout) as { results?: Result[]; message?: string };
  if (!results) throw new Error(message);
  return results;
}

/** Of x [64,64] and whole numbers: x itself with them added, x times x, and the sum of x. */
function graph(): Uint8Array {
  const g = new GraphBuilder('timed');
  const x = g.input('x', 'float32', [64, 64]);
  g.output('same', add(g, x, cast(g, g.input('zeros', 'int64', [64, 64]), 'float32')));
  g.output('square', matMul(g, x, x));
  g.output('sum', reduceSum(g, x, [0, 1], false));
  return toOnnx(g.build());
}

const moments = (values: readonly number[]) => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, variance: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length };
};

function checkResult({ ms, outputs }: Result): void {
  const [x, square, sum] = outputs;
  expect(ms).toHaveLength(3);
  expect(Math.min(...ms)).toBeGreaterThan(0);
  const { mean, variance } = moments(x!);
  // Of 4096 standard normal numbers: five standard deviations.
  expect(Math.abs(mean)).toBeLessThan(5 / 64);
  expect(Math.abs(variance - 1)).toBeLessThan((5 * Math.SQRT2) / 64);
  expect(sum![0]).toBeCloseTo(4096 * mean, 3);
  for (const [row, column] of [
    [0, 0],
    [63, 5],
  ] as const) {
    const product = Array.from({ length: 64 }, (_, k) => x![64 * row + k]! * x![64 * k + column]!);
    expect(square![64 * row + column]).toBeCloseTo(
      product.reduce((a, b) => a + b, 0),
      3,
    );
  }
}

describe('a graph is timed on inputs that the seed draws', () => {
  const seeds = [{ seed: 1 }, { seed: 1 }, { seed: 2 }];

  it('on the CPU', async () => {
    const results = await timings(graph(), seeds);
    results.forEach(checkResult);
    expect(results[1]!.outputs).toEqual(results[0]!.outputs);
    expect(results[2]!.outputs).not.toEqual(results[0]!.outputs);
  });

  it.skipIf(!softwareVulkan)(onSoftwareVulkan, async () => {
    const host = await timings(graph(), [{ seed: 1 }]);
    const results = await timings(graph(), [{ seed: 1, kind: 'webgpu' }], softwareVulkan!);
    checkResult(results[0]!);
    expect(results[0]!.outputs[0]).toEqual(host[0]!.outputs[0]);
  });
});

it('operators that call cuDNN are there on CUDA devices alone', async () => {
  const normalization: Op<{ epsilon: number }> = {
    type: 'BatchNormalization',
    kind: 'onnx',
    domain: 'sdp.cudnn',
    notDifferentiable: 'used here only',
    infer: ([x]) => [{ dtype: x!.dtype, shape: x!.shape }],
  };
  const g = new GraphBuilder('normalized');
  const [x, scale, bias] = [
    g.input('x', 'float32', [2, 1]),
    g.input('s', 'float32', [1]),
    g.input('b', 'float32', [1]),
  ];
  g.output('y', add1(g, normalization, [x, scale, bias], { epsilon: 0.00001 }));
  await expect(timings(toOnnx(g.build()), [{ customOperators: true }])).rejects.toThrow(
    'sdp.cudnn:BatchNormalization(-1) is not a registered function/op',
  );
});

it('a graph that cannot be timed is refused', async () => {
  const g = new GraphBuilder('compared');
  const x = g.input('x', 'float32', [1]);
  g.output('y', greater(g, x, x));
  const compared = toOnnx(g.build());
  await expect(timings(compared, [{}])).rejects.toThrow('output y is Bool, only float32 is read back');
  await expect(timings(new Uint8Array([1, 2]), [{}])).rejects.toThrow(/^device: ONNX Runtime refuses the graph: /);
  await expect(timings(graph(), [{ kind: 'cuda' }])).rejects.toThrow(/^device: CUDA devices need /);
  await expect(timings(graph(), [{ index: -1 }])).rejects.toThrow('invalid value: integer `-1`, expected usize');
});
