// The words of the components of this folder.

import type { ExportFormat, WeightType } from '../../../src-main/contract/exportFormat.ts';

type Value = string | number;

const formats: Record<ExportFormat, string> = {
  safetensors: 'safetensors',
  onnx: 'ONNX',
  timm: 'timm',
  huggingface: 'Hugging Face',
  gguf: 'GGUF',
};

export const exportPanel = {
  title: 'Checkpoints and exports',
  export: 'Export',
  named: (format: ExportFormat, type: WeightType = 'float32') =>
    type === 'float32' ? formats[format] : `${formats[format]}, ${type}`,
  writtenAtEnd: '; one is written when the run ends or is stopped',
  noCheckpoint: (when: Value) => `No checkpoint yet${when}.`,
  checkpointsKept: 'Checkpoints kept:',
  steps: (steps: string[]) => `step ${steps.join(', step ')}`,
  exporting: (formats: string[]) => `Exporting ${formats.join(' and ')}…`,
  exports: 'Exports',
  ofStep: (step: Value) => `of step ${step}`,
  checked: 'checked',
  compared: (samples: Value, difference: Value) =>
    `Read back and compared on ${samples} samples: largest relative difference of logits ${difference}`,
  accuracy: (accuracy: Value) => `, accuracy ${accuracy}`,
};
