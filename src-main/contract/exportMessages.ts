// The command of the process that makes an export of weights and checks it. It runs models with onnxruntime-node, and opens no device: two
// ONNX Runtime libraries do not share a process.

import { z } from 'zod';
import { modelSpec } from '../families/configs.ts';
import { exportFormat, weightType } from './exportFormat.ts';
import { record } from './records.ts';

/** What an export says of itself. */
const exportNotes = z.object({
  version: z.string().describe('of the app'),
  family: z.string(),
  described: z.string().describe('the model in a few words'),
  dataset: z.string(),
  step: z.number(),
  license: z.string().optional(),
  images: z
    .object({
      classNames: z.array(z.string()).optional().describe('absent: the dataset is another one by now'),
      mean: z.array(z.number()).describe('of pixel / 255, per channel'),
      std: z.array(z.number()),
      size: z.array(z.number()).describe('height and width'),
      shorterSide: z
        .number()
        .nullable()
        .optional()
        .describe(
          'what the shorter side of an image becomes before its centre is cut out; null: each side is resized alone; absent: not known, or with borders',
        ),
    })
    .optional(),
  tokens: z
    .object({
      tokenizer: z.string().optional().describe('bytes, bpe, or the path of a tokenizer.json; absent: not known'),
      sequence: z.number().describe('tokens of a training sequence'),
      end: z.object({ token: z.number(), text: z.string() }).optional(),
    })
    .optional(),
});

export type ExportNotes = z.infer<typeof exportNotes>;
export type ImageNotes = NonNullable<ExportNotes['images']>;

/** Forms of an ONNX file that users may ask for. */
const onnxForm = z.object({
  withPast: z.boolean().describe('with a cache of keys and values'),
  withPreprocessing: z.boolean().describe('takes pixels'),
});

export type OnnxForm = z.infer<typeof onnxForm>;

export const exportCommands = {
  /** Writes into `folder` what the format has beside the weights, or in their place, and compares its logits with the engine's. */
  finish: {
    params: z.object({
      format: exportFormat,
      type: weightType.describe('of the weights, one that the format has'),
      name: z.string().describe('of the run'),
      model: modelSpec,
      folder: z.string(),
      weights: z
        .array(z.object({ name: z.string(), tensors: z.array(z.string()) }))
        .describe('safetensors in the folder, which go where the format is another'),
      engineLogits: z.string().describe('name in the folder of what a device has written of `samples`; it goes'),
      every: z.number().describe('of the logits of labels every so-many-th was written'),
      samples: z.number().describe('the first so many of the source'),
      source: record('BatchSource'),
      dataset: z
        .object({ home: z.string(), name: z.string() })
        .nullable()
        .describe('null: the one of that name is not what the run was trained on'),
      notes: exportNotes,
      onnx: onnxForm,
    }),
    result: z.object({ files: z.array(z.string()).describe('paths, weights first'), maxRelativeError: z.number() }),
  },
} as const;
export type ExportCommands = typeof exportCommands;

export const exportContract = { commands: exportCommands, events: {}, version: 'sdp-export 3' } as const;
