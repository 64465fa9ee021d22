// Exports a language model as one GGUF file for llama.cpp, and reads it back for the comparison with the engine.

import { rm } from 'node:fs/promises';
import { UserError } from '../contract/errors.ts';
import type { GgufType } from '../contract/exportFormat.ts';
import { replaceFile } from '../files/files.ts';
import type { Tokenizer } from '../data/tokenizer.ts';
import type { GgufLayout, ModelDefinition } from '../models/model.ts';
import { readGguf, readGgufValues, writeGguf, type GgufTensor, type GgufValue } from './gguf.ts';
import { ggufTokenizer } from './ggufTokenizer.ts';
import { storages } from './ggufTypes.ts';
import { asFloat32, findTensors, readTensor, type TensorPlace } from './safetensors.ts';
import type { Feed } from './feed.ts';
import { logitsOfPlaces } from './verify.ts';

type Layout = GgufLayout['tensors'][number];

/** The entries and tensors of the file. Fails with one sentence where the model or its tokenizer cannot be expressed, and writes nothing. */
export function planGguf(model: ModelDefinition, type: GgufType, tokenizer: Tokenizer | undefined, name: string) {
  if (!tokenizer)
    throw new UserError(
      'usage',
      'a GGUF file holds a tokenizer, and the dataset of this run has none; export safetensors',
    );
  const layout = model.gguf!();
  const under = (values: Record<string, number>, kind: 'uint32' | 'float32') =>
    Object.entries(values).map(
      ([key, value]) => [`${layout.architecture}.${key}`, { [kind]: value }] as [string, GgufValue],
    );
  const entries = new Map<string, GgufValue>([
    ['general.architecture', { string: layout.architecture }],
    ['general.name', { string: name }],
    ['general.file_type', { uint32: storages[type].fileType }],
    ['general.quantization_version', { uint32: 2 }],
    ...under(layout.uint32, 'uint32'),
    ...under(layout.float32, 'float32'),
    ...ggufTokenizer(tokenizer, model.classes),
  ]);
  const shapes = new Map(model.tensors.map((spec) => [spec.name, spec.shape]));
  const tensors = layout.tensors.map(({ name, tensor }): GgufTensor => {
    const shape = shapes.get(tensor)!;
    return { name, shape, type: shape.length === 1 ? 'float32' : type };
  });
  const { block } = storages[type];
  const odd = tensors.find((tensor) => tensor.type === type && tensor.shape.at(-1)! % block !== 0);
  if (odd)
    throw new UserError(
      'usage',
      `${type} stores ${block} values of a row together, and ${odd.name} has rows of ${odd.shape.at(-1)}; export float16`,
    );
  return { entries, tensors };
}

/** `weights`: safetensors in library layout with every tensor of the model. */
export async function exportGguf(
  out: string,
  weights: string,
  model: ModelDefinition,
  plan: ReturnType<typeof planGguf>,
): Promise<void> {
  const { places } = await findTensors(weights);
  const layouts = new Map(model.gguf!().tensors.map((layout) => [layout.name, layout]));
  await writeGguf(out, plan.entries, plan.tensors, async ({ name }) => {
    const { tensor, rows } = layouts.get(name)!;
    const values = asFloat32(await readTensor(places.get(tensor)!));
    return rows ? moveRows(values, rows, 'gather') : values;
  });
}

/** Logits of what a file holds, by the model's inference graph. What it holds is written into the folder as float32 meanwhile. */
export async function logitsOfGguf(
  path: string,
  model: ModelDefinition,
  input: Feed,
  every = 1,
): Promise<Float32Array> {
  const layouts = new Map(model.gguf!().tensors.map((layout) => [layout.name, layout]));
  const { tensors } = await readGguf(path);
  const decoded = `${path}.float32`;
  const places = new Map<string, TensorPlace>();
  try {
    await replaceFile(decoded, async (file) => {
      let position = 0;
      await readGgufValues(path, tensors, async ({ name, shape }, values) => {
        const { tensor, rows } = layouts.get(name)!;
        const { buffer, byteOffset, byteLength } = rows ? moveRows(values, rows, 'scatter') : values;
        await file.writeFile(new Uint8Array(buffer, byteOffset, byteLength));
        places.set(tensor, { dtype: 'F32', shape: [...shape], path: decoded, position, bytes: byteLength });
        position += byteLength;
      });
    });
    const inference = model.inference();
    const byPort = inference.inputs.map(({ port, tensor }) => [port, places.get(tensor)!] as const);
    return await logitsOfPlaces(inference, new Map(byPort), input, every);
  } finally {
    await rm(decoded, { force: true });
  }
}

/** `gather`: row `to` becomes that of number `rows[to]`; `scatter`: back again. */
function moveRows(values: Float32Array, rows: NonNullable<Layout['rows']>, how: 'gather' | 'scatter'): Float32Array {
  const width = values.length / rows.length;
  const moved = new Float32Array(values.length);
  rows.forEach((row, at) => {
    const [from, to] = how === 'gather' ? [row, at] : [at, row];
    moved.set(values.subarray(from * width, (from + 1) * width), to * width);
  });
  return moved;
}
