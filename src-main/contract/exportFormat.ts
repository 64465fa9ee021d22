// The formats of exports. A family says which of them it has (families/family.ts).

import { z } from 'zod';

export const exportFormat = z.enum(['safetensors', 'onnx', 'timm', 'huggingface', 'gguf']);
export type ExportFormat = z.infer<typeof exportFormat>;

/** What weights are stored as. */
export const weightType = z.enum(['float32', 'float16', 'int8', 'q8_0']);
export type WeightType = z.infer<typeof weightType>;

/** What each format stores weights as, the default first. */
export const weightTypes = {
  safetensors: ['float32'],
  onnx: ['float32', 'float16', 'int8'],
  timm: ['float32'],
  huggingface: ['float32'],
  gguf: ['float32', 'float16', 'q8_0'],
} as const satisfies Record<ExportFormat, readonly WeightType[]>;
/** Of an ONNX file: float16 computes so, int8 multiplies so. */
export type OnnxType = (typeof weightTypes.onnx)[number];
/** Of the matrices of a GGUF file; its vectors are float32. */
export type GgufType = (typeof weightTypes.gguf)[number];

/** What users may choose for an export. */
export interface ExportChoices {
  /** Folder; default: the run's exports/step-N, in which the formats of other libraries, and other types than float32, have a folder each. */
  out?: string;
  /** Default: the newest whole checkpoint. */
  step?: number;
  /** Of the weights; default: float32. */
  type?: WeightType;
  /** Of ONNX: with a cache of keys and values; takes pixels. */
  withPast?: boolean;
  withPreprocessing?: boolean;
  /** Of the weights, as users give it. */
  license?: string;
}
