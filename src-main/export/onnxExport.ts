// Exports a checkpoint as an ONNX model for inference, with any batch and the weights inside: `input` [batch,C,H,W] (float32) or pixels
// [batch,H,W,C] (uint8) -> `logits` [batch,K]; `input` [batch,T] (int64) -> `logits` [batch,T,K]; or with a cache (families/llama/inference.ts).
//
// The weights come from the safetensors export, in which statistics and branch scaling of evaluation are folded already.

import { UserError } from '../contract/errors.ts';
import { replaceFile } from '../files/files.ts';
import { toOnnx, type ModelNotes } from '../graph/onnx.ts';
import type { ModelDefinition, ModelGraph } from '../models/model.ts';
import { exportedForm } from './exportedForm.ts';
import { takingPixels, type Normalisation } from './pixels.ts';
import { readSafetensors, type SafeTensor } from './safetensors.ts';

/** A file in protobuf's encoding may not be larger; some room is left for the graph itself. */
const largestWeights = 2 ** 31 - 2 ** 24;

export interface OnnxExport {
  model: ModelDefinition;
  /** Safetensors in library layout with every tensor of the model. */
  weights: string;
  out: string;
  /** With a cache of keys and values; for models with `decoding`. */
  withPast?: boolean;
  /** Takes pixels, with the normalisation inside. */
  pixels?: Normalisation;
  notes?: ModelNotes;
}

/** Writes `out` whole or not at all. */
export async function exportOnnx(options: OnnxExport): Promise<void> {
  const plain = options.withPast ? options.model.decoding!() : options.model.inference();
  const inference = options.pixels ? takingPixels(plain, options.pixels) : plain;
  const initializers = await readWeights(inference, [options.weights]);
  const weights = new Map([...initializers].map(([port, { data }]) => [port, data]));
  const form = await exportedForm(inference.graph, weights);
  const bytes = [...form.weights.values()].reduce((total, { length }) => total + length, 0);
  if (bytes > largestWeights)
    throw new UserError(
      'usage',
      `the model has ${bytes} bytes of weights, more than an ONNX file holds; export safetensors`,
    );
  const { dynamicAxes } = inference;
  const file = toOnnx(form.graph, { dynamicAxes, initializers: form.weights, opset: 17, notes: options.notes });
  await replaceFile(options.out, (out) => out.writeFile(file));
}

/** The tensor of each weight input of a graph in library layout, by name of the input, from one or several files. Fails with a `checkpoint` error where one does not fit. */
export async function readWeights({ inputs }: ModelGraph, paths: readonly string[]): Promise<Map<string, SafeTensor>> {
  const tensors = new Map<string, SafeTensor>();
  for (const path of paths)
    for (const [name, tensor] of (await readSafetensors(path)).tensors) tensors.set(name, tensor);
  const path = paths[0]!;
  return new Map(
    inputs.map(({ port, tensor, shape }) => {
      const found = tensors.get(tensor);
      const expected = `F32 [${shape.join(', ')}]`;
      if (!found) throw unfit(path, `has no tensor ${tensor}, expected ${expected}`, tensor);
      const actual = `${found.dtype} [${found.shape.join(', ')}]`;
      if (actual !== expected) throw unfit(path, `has ${tensor} as ${actual}, expected ${expected}`, tensor);
      return [port, found];
    }),
  );
}

function unfit(path: string, problem: string, key: string): UserError {
  return new UserError('checkpoint', `${path} ${problem}`, { key });
}
