// The command of the process that makes an export of weights and checks it. It runs models with onnxruntime-node, and opens no device: two
// ONNX Runtime libraries do not share a process.

import { z } from 'zod';
import { modelSpec } from '../families/configs.ts';
import { exportFormat, ggufType } from './exportFormat.ts';
import { record } from './records.ts';

export const exportCommands = {
  /** Writes into `folder` what the format has beside the weights, or in their place, and compares its logits with the engine's. */
  finish: {
    params: z.object({
      format: exportFormat,
      ggufType,
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
      shown: z.string().describe('the folder that messages name'),
    }),
    result: z.object({ files: z.array(z.string()).describe('paths, weights first'), maxRelativeError: z.number() }),
  },
} as const;
export type ExportCommands = typeof exportCommands;

export const exportContract = { commands: exportCommands, events: {}, version: 'sdp-export 2' } as const;
