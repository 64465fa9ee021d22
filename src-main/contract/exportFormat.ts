// The formats of exports. A family says which of them it has (families/family.ts).

import { z } from 'zod';

export const exportFormat = z.enum(['safetensors', 'onnx', 'timm', 'huggingface', 'gguf']);
export type ExportFormat = z.infer<typeof exportFormat>;

/** What the matrices of a GGUF file are stored as; its vectors are float32. */
export const ggufType = z.enum(['float32', 'float16', 'q8_0']);
export type GgufType = z.infer<typeof ggufType>;

/** What users may choose for an export. */
export interface ExportChoices {
  /** Folder; default: the run's exports/step-N, in which the formats of other libraries have a folder each. */
  out?: string;
  /** Default: the newest whole checkpoint. */
  step?: number;
  /** Of GGUF; default: float32. */
  ggufType?: GgufType;
  /** Of ONNX: with a cache of keys and values; takes pixels. */
  withPast?: boolean;
  withPreprocessing?: boolean;
  /** Of the weights, as users give it. */
  license?: string;
}
