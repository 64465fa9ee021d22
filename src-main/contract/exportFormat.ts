// The formats of exports. A family says which of them it has (families/family.ts).

import { z } from 'zod';

export const exportFormat = z.enum(['safetensors', 'onnx', 'timm', 'huggingface', 'gguf']);
export type ExportFormat = z.infer<typeof exportFormat>;

/** What the matrices of a GGUF file are stored as; its vectors are float32. */
export const ggufType = z.enum(['float32', 'float16', 'q8_0']);
export type GgufType = z.infer<typeof ggufType>;
