// The options of an import as form fields: those that concern a format, with label, description and choices from the schema.

import { z } from 'zod';
import { importOptions, type DatasetFormat, type ImportOptions } from '../../src-main/contract/verdict.ts';

export type OptionKey = keyof ImportOptions;

export interface OptionField {
  key: OptionKey;
  label: string;
  description: string;
  kind: 'flag' | 'choice' | 'column' | 'number' | 'text';
  choices: (string | number)[];
}

const labels: Record<OptionKey, string> = {
  as: 'Read as',
  skip: 'Leave out what cannot be read',
  keepCut: 'Keep images that were cut off',
  validation: 'Validation share',
  seed: 'Seed of the split',
  storage: 'Kept as',
  size: 'Image size',
  resize: 'Other sizes are',
  channels: 'Channels',
  range: 'Black and white',
  orient: 'Turned upright',
  duplicates: 'Equal images',
  order: 'Order of a row',
  folder: 'Only this folder',
  leaveOut: 'Without this folder',
  configuration: 'Configuration',
  trainOn: 'Also trained on',
  splitLevel: 'Folders of splits',
  classLevel: 'Folders of classes',
  nameEncoding: 'Encoding of a zip',
  table: 'Table',
  imageColumn: 'Column of images',
  labelColumn: 'Column of labels',
  fold: 'Fold that validates',
  combineLabels: 'Combine several labels',
  textColumn: 'Column of text',
  extensions: 'Endings of text',
  encoding: 'Encoding',
  tokenizer: 'Tokenizer',
  vocabulary: 'Vocabulary',
  dtype: 'Type of the tokens',
};

const shared: OptionKey[] = ['as', 'skip', 'validation', 'seed'];
const ofImages: OptionKey[] = ['storage', 'size', 'resize', 'channels', 'duplicates'];
const ofFiles: OptionKey[] = [...ofImages, 'keepCut', 'orient', 'range', 'nameEncoding'];
const columns: OptionKey[] = ['imageColumn', 'labelColumn'];
const folders: OptionKey[] = ['folder', 'leaveOut'];
const levels: OptionKey[] = ['splitLevel', 'classLevel'];

const relevant: Record<DatasetFormat, OptionKey[]> = {
  idx: ofImages,
  cifar: ofImages,
  'image-folder': [...ofFiles, ...levels],
  'image-arrays': [...ofImages, 'range', 'order', ...columns],
  'image-table': [...ofFiles, 'order', 'table', ...columns, 'fold', 'combineLabels'],
  'image-parquet': [...ofFiles, ...columns, 'fold', 'configuration', 'trainOn'],
  'image-shards': [...ofFiles, ...columns],
  text: ['textColumn', 'trainOn', 'extensions', 'encoding', 'tokenizer', 'vocabulary'],
  tokens: ['dtype', 'textColumn', 'trainOn'],
};

/** Those that change something for this format; where none was recognised, the choice of one. */
export function optionFields(format: DatasetFormat | undefined): OptionField[] {
  return [...shared, ...(format ? [...folders, ...relevant[format]] : [])].map(fieldOf);
}

function fieldOf(key: OptionKey): OptionField {
  const inner = importOptions.shape[key].unwrap() as z.ZodType;
  const choices = choicesOf(inner);
  return { key, label: labels[key], description: inner.description ?? '', kind: kindOf(key, inner, choices), choices };
}

function choicesOf(schema: z.ZodType): (string | number)[] {
  if (schema instanceof z.ZodEnum) return schema.options;
  if (schema instanceof z.ZodUnion)
    return schema.options.flatMap((one) => (one instanceof z.ZodLiteral ? [...one.values] : [])) as number[];
  return [];
}

function kindOf(key: OptionKey, schema: z.ZodType, choices: unknown[]): OptionField['kind'] {
  if (key.endsWith('Column')) return 'column';
  if (schema instanceof z.ZodBoolean) return 'flag';
  if (choices.length > 0) return 'choice';
  return schema instanceof z.ZodNumber ? 'number' : 'text';
}

/** What a control holds as the option's value; undefined for an empty one, an Error where it cannot be. */
export function optionValue({ key, kind, choices }: OptionField, text: string): unknown {
  const trimmed = text.trim();
  if (trimmed === '') return undefined;
  const chosen = choices.find((choice) => String(choice) === trimmed);
  const value = chosen ?? (kind === 'number' ? Number(trimmed) : trimmed);
  const result = importOptions.shape[key].safeParse(value);
  return result.success ? result.data : new Error(result.error.issues[0]!.message);
}
