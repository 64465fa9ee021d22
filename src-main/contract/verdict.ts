// What is found in files before anything is imported, what the user may choose about them, and an import under way.
//
// A remedy is a change of the options: inspecting again with it shows what it does, importing with it applies it. The verdict is made by
// native/data, which has the same records (verdict.rs, options.rs).

import { z } from 'zod';
import { accountLine, token } from './datasets.ts';
import { userPath } from './userPath.ts';

const positiveInt = z.int().min(1);

/** Formats that are recognised, by content; `as` in the options fixes one. */
export const datasetFormat = z.enum([
  'idx',
  'cifar',
  'image-folder',
  'image-table',
  'image-arrays',
  'image-parquet',
  'image-shards',
  'text',
  'tokens',
]);
export type DatasetFormat = z.infer<typeof datasetFormat>;

/** Choices for an import. Everything has a default that follows from the files; the verdict says which. */
export const importOptions = z.strictObject({
  as: datasetFormat.optional().describe('Format of the files; default: recognised by content'),
  skip: z
    .boolean()
    .optional()
    .describe('Leave out samples that cannot be read or have no label, instead of refusing the import'),
  keepCut: z
    .boolean()
    .optional()
    .describe('Keep the readable part of truncated JPEG files, with the rest grey, instead of refusing them'),
  orient: z.boolean().optional().describe('Turn image files upright as their EXIF data says; default: as stored'),
  duplicates: z
    .enum(['conflicts', 'training', 'validation'])
    .optional()
    .describe(
      'Equal images to leave out: conflicts: those with different labels; training or validation: also the copies in that split of images that are in both splits; default: none',
    ),
  validation: z
    .number()
    .gt(0)
    .lt(1)
    .optional()
    .describe('Share of the samples for the validation split if the files have none; default: 0.1'),
  seed: z.int().min(0).optional().describe('Seed of the choice of validation samples; default: 0'),
  storage: z
    .enum(['array', 'encoded'])
    .optional()
    .describe(
      'array: all images of one size, decoded by the import; encoded: the files as they are, decoded in training',
    ),
  size: positiveInt
    .max(8192)
    .optional()
    .describe('Height and width of the images in pixels; default: that of most images, or 224 if sizes differ much'),
  resize: z
    .enum(['crop', 'stretch', 'pad'])
    .optional()
    .describe(
      'How images of another size are changed: crop cuts them at the centre, stretch distorts them, pad adds black; default: crop',
    ),
  channels: z
    .union([z.literal(1), z.literal(3)])
    .optional()
    .describe('1: grey, 3: colour; default: colour where any image has it'),
  range: z
    .string()
    .max(100)
    .regex(/^\s*-?[\d.]+(e[+-]?\d+)?\s*:\s*-?[\d.]+(e[+-]?\d+)?\s*$/i, 'expected two numbers, such as 0:4095')
    .optional()
    .describe(
      'Values that become black and white, of arrays and of image files of 16 bits, such as 0:4095; default: the range of the data for arrays, 0:65535 for files',
    ),
  order: z
    .enum(['pixels', 'planes'])
    .optional()
    .describe('Order of the values of a colour image in a row: pixel by pixel, or plane by plane'),
  folder: z
    .string()
    .max(4096)
    .optional()
    .describe('Folder to take images and tables from, such as data/color; default: all folders'),
  leaveOut: z.string().max(4096).optional().describe('Folder whose images to leave out'),
  configuration: z.string().max(1000).optional().describe('Configuration to import, if README.md lists several'),
  trainOn: z
    .string()
    .max(1000)
    .optional()
    .describe('Split to train on besides the training split, such as unsupervised'),
  splitLevel: z
    .int()
    .min(0)
    .max(32)
    .optional()
    .describe(
      'Level of the folders that name the splits, from 1; 0: no such level; default: the level with names such as train and test',
    ),
  classLevel: positiveInt
    .max(32)
    .optional()
    .describe(
      'Level of the folders that name the classes, from 1; default: the first level below the splits whose names differ',
    ),
  nameEncoding: z
    .enum(['gbk', 'shift-jis', 'big5', 'euc-kr', 'ibm866', 'cp437'])
    .optional()
    .describe('Encoding of names in a zip that are not UTF-8; default: guessed from the names'),
  table: z.string().max(4096).optional().describe('Table of images and labels, if there are several'),
  imageColumn: z.string().max(1000).optional().describe('Column or array with images'),
  labelColumn: z.string().max(1000).optional().describe('Column or array with labels'),
  fold: z
    .string()
    .max(100)
    .optional()
    .describe(
      'Fold to validate on: a value of the column of folds, or the number of a division; none: validate on a share of each class',
    ),
  combineLabels: z.boolean().optional().describe('Make each combination of several labels of an image one class'),
  textColumn: z.string().max(1000).optional().describe('Column, field or array with text or tokens'),
  extensions: z
    .string()
    .max(1000)
    .optional()
    .describe(
      'Endings of the text files, such as txt,md; none: files without an ending; default: chosen from the files',
    ),
  encoding: z
    .string()
    .max(40)
    .optional()
    .describe(
      'Encoding of text that is not UTF-8, such as gbk, shift_jis or latin1; default: UTF-8, or as the byte order mark says',
    ),
  tokenizer: userPath(['bytes', 'bpe'])
    .optional()
    .describe(
      'Tokenizer: bytes, bpe (trained on the dataset), or the path of a tokenizer.json; default: the tokenizer beside the text (tokenizer.json, or vocab.json with merges.txt), else bytes',
    ),
  vocabulary: positiveInt.max(1_000_000).optional().describe('Size of the vocabulary for bpe; default: 4096'),
  dtype: z
    .enum(['uint8', 'uint16', 'uint32', 'int32', 'int64'])
    .optional()
    .describe('Type of tokens in files without a header; default: guessed from the bytes'),
});
export type ImportOptions = z.infer<typeof importOptions>;

/** Where in the files something is: `row` of a table or array from 0, `offset` in bytes. */
export const place = z.object({ file: z.string(), row: z.number().optional(), offset: z.number().optional() });
export type Place = z.infer<typeof place>;

export const remedy = z.object({
  action: z.enum(['skip', 'convert', 'resize', 'choose', 'split', 'tokenizer']),
  /** As on a button: "Leave these files out". */
  title: z.string(),
  /** What it changes in the options. */
  options: importOptions,
});
export type Remedy = z.infer<typeof remedy>;

export const problem = z.object({
  /** Stable, such as `unreadable-image`. */
  code: z.string(),
  /** error: nothing can be imported until it is remedied; warning: the import goes on as the sentence says; note: good to know. */
  severity: z.enum(['error', 'warning', 'note']),
  /** One sentence. */
  message: z.string(),
  /** How often it was found, and the first of the places. */
  count: z.number(),
  places: z.array(place),
  remedies: z.array(remedy),
});
export type Problem = z.infer<typeof problem>;

/** A sample as the model will see it, before normalisation. */
export const preview = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('image'),
    source: z.string(),
    /** Class name; null where there is none. */
    label: z.string().nullable(),
    /** Size of the original. */
    original: z.object({ height: z.number(), width: z.number(), channels: z.number() }),
    height: z.number(),
    width: z.number(),
    channels: z.number(),
    /** data:image/png;base64,... of the decoded and resized pixels; large pictures are made smaller. */
    png: z.string(),
    /** Of the normalised values. */
    normalised: z.object({ min: z.number(), max: z.number(), mean: z.number() }),
  }),
  z.object({
    kind: z.literal('text'),
    source: z.string(),
    /** The first tokens with the text of each, at most 64. */
    tokens: z.array(token),
  }),
]);
export type Preview = z.infer<typeof preview>;

export const imagesFound = z.object({
  kind: z.literal('images'),
  /** With the samples of each that are imported where what cannot be read is left out. */
  classes: z.array(z.object({ name: z.string(), train: z.number(), test: z.number() })),
  /** How many images were looked at, and how many of them cannot be read. */
  looked: z.number(),
  unreadable: z.number(),
  /** The most frequent sizes of what was looked at. */
  sizes: z.array(z.object({ height: z.number(), width: z.number(), channels: z.number(), count: z.number() })),
  /** What is stored, [C,H,W]; the sizes may differ where it is `encoded`. */
  sample: z.array(z.number()),
  storage: z.enum(['array', 'encoded']),
  mean: z.array(z.number()),
  std: z.array(z.number()),
});

export const textFound = z.object({
  kind: z.literal('tokens'),
  documents: z.number(),
  characters: z.number(),
  /** bytes, the name of a tokenizer.json, or `bpe`; `tokens` where the files are tokens already and no tokenizer of theirs is known. */
  tokenizer: z.string(),
  vocabulary: z.number(),
});

export const verdict = z.object({
  paths: z.array(z.string()),
  /** Name in the catalogue, unless another is given. */
  name: z.string(),
  /** Null where nothing was recognised; then a problem says what was found. */
  format: z.object({ id: datasetFormat, title: z.string() }).nullable(),
  /** Other formats that the files may be read as. */
  alternatives: z.array(z.object({ id: datasetFormat, title: z.string() })),
  /** No error is left: an import with these options would begin. */
  importable: z.boolean(),
  /** Everything was looked at; false: of many or large files a part, and the figures are estimates. */
  exact: z.boolean(),
  /** Samples or tokens of each split; without what was found to be unreadable. */
  train: z.number(),
  test: z.number(),
  /** Bytes that the import will take on the disk, estimated. */
  bytes: z.number(),
  content: z.discriminatedUnion('kind', [imagesFound, textFound]).nullable(),
  /** Columns of a table, or arrays, to choose from. */
  columns: z.array(z.string()),
  problems: z.array(problem),
  previews: z.array(preview),
  /** Empty where the files could not be listed. */
  account: z.array(accountLine),
  /** The options with what was inferred filled in. */
  options: importOptions,
  seconds: z.number().describe('that the inspection took'),
});
export type Verdict = z.infer<typeof verdict>;

/** An import under way or ended. running -> done | failed | cancelled. */
export const importState = z.object({
  id: z.string(),
  /** Of the dataset. */
  name: z.string(),
  paths: z.array(z.string()),
  state: z.enum(['running', 'done', 'failed', 'cancelled']),
  /** Samples of images or bytes of text. */
  unit: z.enum(['samples', 'bytes']),
  done: z.number(),
  /** 0 while it is not known. */
  total: z.number(),
  perSecond: z.number(),
  /** Null while it cannot be told. */
  secondsLeft: z.number().nullable(),
  /** Samples left out so far. */
  skipped: z.number(),
  /** Why it failed, one sentence; empty otherwise. */
  reason: z.string(),
});
export type ImportState = z.infer<typeof importState>;

/** Files and choices, as the commands take them. */
export const whatToImport = {
  paths: z.array(userPath()).min(1).max(10_000),
  options: importOptions.default({}),
};
