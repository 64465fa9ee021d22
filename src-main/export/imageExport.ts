// Exports a model of images as a folder for timm's create_model or for Hugging Face's AutoModelForImageClassification: the weights under that
// library's names, the network, and, where the dataset is still the run's, its classes and what is done to images before they go in.

import { join } from 'node:path';
import { UserError } from '../contract/errors.ts';
import type { ImageNotes } from '../contract/exportMessages.ts';
import { replaceFile } from '../files/files.ts';
import type { ImageLibrary, ModelDefinition } from '../models/model.ts';
import { imageProcessor } from './imageProcessor.ts';
import { asFloat32, readSafetensors, writeSafetensors, type SafeTensor } from './safetensors.ts';
import type { Feed } from './feed.ts';
import { logitsOfWeights } from './verify.ts';

export type LibraryName = 'timm' | 'huggingface';

/** Fails with one sentence where the library has no such network. */
export function imageLibrary(model: ModelDefinition, library: LibraryName): ImageLibrary {
  return library === 'timm' ? model.timm!() : model.huggingFace!();
}

/** Writes `model.safetensors` in the place of `weights`, which is of the same name, and what stands beside it; returns the paths. */
export async function exportImageFolder(
  folder: string,
  model: ModelDefinition,
  library: LibraryName,
  images: ImageNotes | undefined,
): Promise<string[]> {
  const weights = join(folder, 'model.safetensors');
  const layout = imageLibrary(model, library);
  const { metadata, tensors } = await readSafetensors(weights);
  await writeSafetensors(
    weights,
    new Map([...tensors].flatMap(([name, tensor]) => renamed(layout, name, tensor))),
    metadata,
  );
  const contents = library === 'timm' ? timmFiles(model, layout, images) : huggingFaceFiles(model, layout, images);
  for (const [name, content] of Object.entries(contents))
    await replaceFile(join(folder, name), (file) => file.writeFile(`${JSON.stringify(content, null, 2)}\n`));
  return [weights, ...Object.keys(contents).map((name) => join(folder, name))];
}

function renamed(layout: ImageLibrary, tensor: string, { dtype, shape, data }: SafeTensor): [string, SafeTensor][] {
  const names = layout.names(tensor);
  const [first, ...rest] = layout.shape?.(tensor) ?? shape;
  const bytes = data.length / names.length;
  return names.map((name, part) => [
    name,
    {
      dtype,
      shape: first === undefined ? [] : [first / names.length, ...rest],
      data: data.slice(part * bytes, (part + 1) * bytes),
    },
  ]);
}

/** Logits of what a folder holds, by the model's inference graph. */
export async function logitsOfImageFolder(
  path: string,
  model: ModelDefinition,
  library: LibraryName,
  input: Feed,
  every = 1,
): Promise<Float32Array> {
  const { tensors } = await readSafetensors(path);
  const layout = imageLibrary(model, library);
  const weights = model.inference().inputs.map(({ port, tensor, shape }) => {
    const parts = layout.names(tensor).map((name) => {
      const found = tensors.get(name);
      if (!found) throw new UserError('checkpoint', `${path} has no tensor ${name}`, { key: name });
      return asFloat32(found);
    });
    const data = new Float32Array(parts.reduce((size, part) => size + part.length, 0));
    parts.reduce((at, part) => (data.set(part, at), at + part.length), 0);
    return [port, { data, shape }] as const;
  });
  return await logitsOfWeights(model, Object.fromEntries(weights), input, every);
}

/** As `create_model('local-dir:FOLDER', pretrained=True)` reads them; none where only code can make the network. */
function timmFiles(
  { sample }: ModelDefinition,
  layout: ImageLibrary,
  images: ImageNotes | undefined,
): Record<string, object> {
  if (!layout.config) return {};
  const { classifier, ...config } = layout.config as { classifier: string; model_args: object };
  const preprocessing = images?.shorterSide !== undefined && {
    mean: images.mean,
    std: images.std,
    interpolation: 'bilinear',
    ...(images.shorterSide === null
      ? { crop_mode: 'squash', crop_pct: 1 }
      : { crop_mode: 'center', crop_pct: Math.min(...images.size) / images.shorterSide }),
  };
  const pretrained_cfg = {
    input_size: sample,
    fixed_input_size: 'img_size' in config.model_args,
    classifier,
    ...preprocessing,
  };
  return {
    'config.json': { ...config, ...(images?.classNames && { label_names: images.classNames }), pretrained_cfg },
  };
}

/** As `from_pretrained` of AutoModelForImageClassification and of AutoImageProcessor reads them. */
function huggingFaceFiles(
  { classes }: ModelDefinition,
  layout: ImageLibrary,
  images: ImageNotes | undefined,
): Record<string, object> {
  const names = images?.classNames ?? Array.from({ length: classes }, (_, label) => `LABEL_${label}`);
  const config = {
    ...layout.config,
    id2label: Object.fromEntries(names.map((name, label) => [label, name])),
    label2id: Object.fromEntries(names.map((name, label) => [name, label])),
    problem_type: 'single_label_classification',
    torch_dtype: 'float32',
  };
  const processor = images && imageProcessor(images);
  return { 'config.json': config, ...(processor && { 'preprocessor_config.json': processor }) };
}
