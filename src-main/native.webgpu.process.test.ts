// What the addon refuses on devices other than the CPU, in processes of their own.

import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';
import { add1, GraphBuilder, type Op, type Value } from './graph/graph.ts';
import { toOnnx } from './graph/onnx.ts';
import { mul } from './graph/ops/elementwise.ts';
import { onSoftwareVulkan, softwareVulkan } from './testing/softwareVulkan.ts';
import { runtimeLibrary } from './runtime/runtimeLibrary.ts';

const folder = mkdtempSync(join(tmpdir(), 'sdp-provider-'));
afterAll(() => rmSync(folder, { recursive: true }));

const Round: Op = {
  type: 'Round',
  kind: 'onnx',
  notDifferentiable: 'used here only',
  infer: ([x]) => [{ dtype: x!.dtype, shape: x!.shape }],
};
const double = (g: GraphBuilder, x: Value) => mul(g, x, g.scalar(2));

/** What probing a device with a graph from `x` to `y` says, in a process with this environment. */
async function probe(kind: string, build: (g: GraphBuilder, x: Value) => Value, variables = {}) {
  const g = new GraphBuilder('probe');
  g.output('y', build(g, g.input('x', 'float32', [1])));
  const path = join(folder, 'graph.onnx');
  writeFileSync(path, toOnnx(g.build()));
  const script = `
    const addon = require(${JSON.stringify(join(import.meta.dirname, '../native/binding/sdp.node'))});
    const onnx = require('node:fs').readFileSync(${JSON.stringify(path)});
    addon.probeDevice(${JSON.stringify(runtimeLibrary())}, '${kind}', 0, onnx, []).then(
      () => console.log('works'),
      (error) => console.log(error.message),
    );`;
  const env = { ...process.env, ...variables };
  return (await promisify(execFile)(process.execPath, ['-e', script], { env })).stdout.trim();
}

it.skipIf(!softwareVulkan)(`WebGPU refuses operators that it has not, by name, ${onSoftwareVulkan}`, async () => {
  const rounded = (g: GraphBuilder, x: Value) => add1(g, Round, [add1(g, Round, [double(g, x)], {})], {});
  expect(await probe('webgpu', rounded, softwareVulkan!)).toBe(
    'device: WebGPU has no kernel for 2 x Round; nothing is run on the CPU in its place',
  );
  expect(await probe('webgpu', double, softwareVulkan!)).toBe('works');
});

it.skipIf(existsSync(join(dirname(runtimeLibrary()), 'libonnxruntime_providers_cuda.so')))(
  'CUDA devices say which library is missing',
  async () => {
    expect(await probe('cuda', double)).toMatch(
      /^device: CUDA devices need \S*onnxruntime_providers_cuda\.(so|dll), which "npm run setup" fetches/,
    );
  },
);
