// Exports a checkpoint as an ONNX model for inference, with any batch and the weights inside: `input` [batch,C,H,W] (float32) or pixels
// [batch,H,W,C] (uint8) -> `logits` [batch,K]; `input` [batch,T] (int64) -> `logits` [batch,T,K]; or with a cache (families/llama/inference.ts).
//
// The weights come from the safetensors export, in which statistics and branch scaling of evaluation are folded already. They are read and
// written one after the other. Protobuf's encoding holds less than 2 GiB: the weights of larger models are in a file beside, `NAME_data`.

import { basename } from 'node:path';
import type { FileHandle } from 'node:fs/promises';
import { UserError } from '../contract/errors.ts';
import type { OnnxType } from '../contract/exportFormat.ts';
import { replaceFile } from '../files/files.ts';
import { bytesOf, type Value } from '../graph/graph.ts';
import { onnxPieces, toOnnxBeside, type ModelNotes, type OnnxOptions } from '../graph/onnx.ts';
import type { ModelDefinition, ModelGraph } from '../models/model.ts';
import { exportedForm, type Form } from './exportedForm.ts';
import { inFloat16 } from './float16.ts';
import { inInt8 } from './int8.ts';
import { takingPixels, type Normalisation } from './pixels.ts';
import { findTensors, readTensor, type TensorPlace } from './safetensors.ts';

/** Some room is left for the graph itself. */
const largestWeights = 2 ** 31 - 2 ** 24;

/** Of weights in a file beside; runtimes map them into memory by pages. */
const alignment = 4096;

export interface OnnxExport {
  model: ModelDefinition;
  /** Safetensors in library layout with every tensor of the model. */
  weights: string;
  out: string;
  /** What it stores and computes with; default: float32. */
  type?: OnnxType;
  /** With a cache of keys and values; for models with `decoding`. */
  withPast?: boolean;
  /** Takes pixels, with the normalisation inside. */
  pixels?: Normalisation;
  notes?: ModelNotes;
  /** Bytes of weights that one file holds. */
  limit?: number;
}

const forms: Record<OnnxType, (form: Form) => Form> = {
  float32: (form) => form,
  float16: inFloat16,
  int8: inInt8,
};

/** Writes `out` whole or not at all; returns the paths, with that of the weights where they are in a file beside. */
export async function exportOnnx(options: OnnxExport): Promise<string[]> {
  const { out, type = 'float32', limit = largestWeights, notes } = options;
  const plain = options.withPast ? options.model.decoding!() : options.model.inference();
  const inference = options.pixels ? takingPixels(plain, options.pixels) : plain;
  const places = await findWeights(inference, [options.weights]);
  const bytesOfPlace = (place: TensorPlace) => async () => (await readTensor(place)).data;
  const read = new Map([...places].map(([port, place]) => [port, bytesOfPlace(place)]));
  const form = forms[type](exportedForm({ graph: inference.graph, weights: read }));
  const weights = form.graph.inputs.filter(({ name }) => form.weights.has(name));
  const onnx: OnnxOptions = { dynamicAxes: inference.dynamicAxes, opset: 17, notes };
  if (weights.reduce((total, weight) => total + bytesOf(weight), 0) > limit)
    return await writeBeside(out, form, weights, onnx);
  const pieces = onnxPieces(form.graph, new Set(form.weights.keys()), onnx);
  const byName = new Map(weights.map((weight) => [weight.name, weight]));
  await replaceFile(out, async (file) => {
    for (const piece of pieces)
      if (typeof piece === 'string') await writeWeight(file, form, byName.get(piece)!);
      else await file.writeFile(piece);
  });
  return [out];
}

async function writeBeside(
  out: string,
  form: Form,
  weights: readonly Value[],
  options: OnnxOptions,
): Promise<string[]> {
  const beside = `${out}_data`;
  const padding = (weight: Value) => -bytesOf(weight) & (alignment - 1);
  let offset = 0;
  const places = new Map<string, { location: string; offset: number }>();
  for (const weight of weights) {
    places.set(weight.name, { location: basename(beside), offset });
    offset += bytesOf(weight) + padding(weight);
  }
  await replaceFile(beside, async (file) => {
    for (const weight of weights) {
      await writeWeight(file, form, weight);
      await file.writeFile(new Uint8Array(padding(weight)));
    }
  });
  await replaceFile(out, (file) => file.writeFile(toOnnxBeside(form.graph, places, options)));
  return [out, beside];
}

async function writeWeight(file: FileHandle, { weights }: Form, weight: Value): Promise<void> {
  const bytes = await weights.get(weight.name)!();
  if (bytes.length !== bytesOf(weight))
    throw new Error(`${weight.name} has ${bytes.length} bytes, its shape needs ${bytesOf(weight)}`);
  await file.writeFile(bytes);
}

/** Where the tensor of each weight input of a graph in library layout is, by name of the input, in one or several files. Fails with a `checkpoint` error where one does not fit. */
export async function findWeights({ inputs }: ModelGraph, paths: readonly string[]): Promise<Map<string, TensorPlace>> {
  const places = new Map<string, TensorPlace>();
  for (const path of paths) for (const [name, place] of (await findTensors(path)).places) places.set(name, place);
  const path = paths[0]!;
  return new Map(
    inputs.map(({ port, tensor, shape }) => {
      const found = places.get(tensor);
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
