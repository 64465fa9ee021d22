// Proves an exported file: reloads it, runs it with onnxruntime-node and compares its logits with the engine's.
//
// onnxruntime-node is loaded on first use. Two ONNX Runtime libraries in one process conflict, so this runs where the addon has no device open:
// in the process of an export (handlers.ts).

import { rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { UserError } from '../contract/errors.ts';
import type { WeightType } from '../contract/exportFormat.ts';
import { replaceFile } from '../files/files.ts';
import { toOnnx, toOnnxBeside } from '../graph/onnx.ts';
import type { ModelDefinition, ModelGraph } from '../models/model.ts';
import { onnxRuntime, type InferenceSession } from '../runtime/onnxRuntime.ts';
import { everyLogits, type Feed } from './feed.ts';
import { findWeights } from './onnxExport.ts';
import type { TensorPlace } from './safetensors.ts';

/** Largest difference that is rounding of the weights, relative to the largest absolute logit; int8 rounds what they are multiplied with too. */
export const logitsTolerance: Record<WeightType, number> = { float32: 1e-4, float16: 1e-2, q8_0: 1e-1, int8: 2e-1 };

/** Every so-many-th of the logits [batch,...,K], row-major, of an ONNX file. */
export async function logitsOfOnnx(path: string, input: Feed, every = 1): Promise<Float32Array> {
  return await runLogits(path, input, every);
}

/** The same for weights in safetensors files: the model's inference graph reads them from there. */
export async function logitsOfSafetensors(
  model: ModelDefinition,
  paths: readonly string[],
  input: Feed,
  every = 1,
): Promise<Float32Array> {
  const inference = model.inference();
  return await logitsOfPlaces(inference, await findWeights(inference, paths), input, every);
}

/** The same for weights that are float32 in files of one folder, by name of the input: the runtime maps them into its memory. */
export async function logitsOfPlaces(
  { graph, dynamicAxes }: ModelGraph,
  places: ReadonlyMap<string, TensorPlace>,
  input: Feed,
  every = 1,
): Promise<Float32Array> {
  const beside = [...places].map(([port, { path, position }]) => {
    return [port, { location: basename(path), offset: position }] as const;
  });
  const { path } = [...places.values()][0]!;
  const model = `${path}.onnx`;
  try {
    await replaceFile(model, (file) => file.writeFile(toOnnxBeside(graph, new Map(beside), { dynamicAxes })));
    return await runLogits(model, input, every, { more: { graphOptimizationLevel: 'disabled' } });
  } finally {
    await rm(model, { force: true });
  }
}

/** Weights are not laid out anew for products, and what is freed is given back: a model to be checked takes little more than itself. */
export const checking: InferenceSession.SessionOptions = {
  logSeverityLevel: 3,
  enableCpuMemArena: false,
  extra: { session: { disable_prepacking: '1' } },
};

/** The same for weights by name, in library layout. */
export async function logitsOfWeights(
  model: ModelDefinition,
  weights: Record<string, Feed>,
  input: Feed,
  every = 1,
): Promise<Float32Array> {
  const { graph, dynamicAxes } = model.inference();
  return await runLogits(toOnnx(graph, { dynamicAxes: dynamicAxes! }), input, every, { weights });
}

/** Largest absolute difference over the largest absolute expected value; infinite where a value is not finite. */
export function compareLogits(expected: ArrayLike<number>, found: ArrayLike<number>): number {
  if (expected.length !== found.length)
    throw new Error(`${expected.length} logits were expected, ${found.length} found`);
  let largest = 0;
  let difference = 0;
  for (let index = 0; index < expected.length; index += 1) {
    const apart = Math.abs(expected[index]! - found[index]!);
    if (!Number.isFinite(apart)) return Infinity;
    largest = Math.max(largest, Math.abs(expected[index]!));
    difference = Math.max(difference, apart);
  }
  return difference === 0 ? 0 : difference / largest;
}

/** compareLogits, failing where the exported file does not give the engine's logits. */
export function verifyLogits(
  path: string,
  expected: ArrayLike<number>,
  found: ArrayLike<number>,
  tolerance = logitsTolerance.float32,
): number {
  const error = compareLogits(expected, found);
  if (error <= tolerance) return error;
  const problem = Number.isFinite(error)
    ? `differs from the trained model: its logits are off by ${error.toExponential(1)} of the largest, allowed are ${tolerance}`
    : 'is of no use: the logits are not finite';
  throw new UserError('checkpoint', `the exported file ${path} ${problem}`, { key: path });
}

async function runLogits(
  model: string | Uint8Array,
  input: Feed,
  every: number,
  { weights = {}, more }: { weights?: Record<string, Feed>; more?: InferenceSession.SessionOptions } = {},
): Promise<Float32Array> {
  const { InferenceSession, Tensor } = await onnxRuntime();
  const options = { ...checking, ...more };
  const session =
    typeof model === 'string'
      ? await InferenceSession.create(model, options)
      : await InferenceSession.create(model, options);
  const tensorOf = ({ data, shape }: Feed) =>
    new Tensor(data instanceof Float32Array ? 'float32' : data instanceof Uint8Array ? 'uint8' : 'int64', data, shape);
  const others = Object.entries(weights).map(([name, feed]) => [name, tensorOf(feed)] as const);
  try {
    return await everyLogits(input, every, async (feed) => {
      const { logits } = await session.run(Object.fromEntries([...others, ['input', tensorOf(feed)]]));
      if (!(logits?.data instanceof Float32Array)) throw new Error(`the graph gave ${logits?.type} logits`);
      return { data: logits.data, classes: logits.dims.at(-1)! };
    });
  } finally {
    await session.release();
  }
}
