// Models by name: what the form sets for each. The sizes behind the names are the contract's (modelConfig.ts).

import type { FormValues } from './fields.ts';

export interface ModelPreset {
  name: string;
  values: FormValues;
}

const resnet = (name: string, layers: string): ModelPreset => ({
  name,
  values: { 'model.family': 'resnet', 'model.layers': layers },
});
const named = (family: string, name: string, preset: string): ModelPreset => ({
  name,
  values: { 'model.family': family, [`${family}:model.preset`]: preset },
});

export const modelPresets: readonly ModelPreset[] = [
  resnet('ResNet-18', '2, 2, 2, 2'),
  resnet('ResNet-34', '3, 4, 6, 3'),
  named('swin', 'Swin-T', 'swin_t'),
  named('swin', 'Swin-S', 'swin_s'),
  named('swin', 'Swin-B', 'swin_b'),
  ...['15M', '134M', '500M', '1B'].map((size) => named('llama', `LLaMA ${size}`, size)),
];

export function isChosen({ values }: ModelPreset, form: FormValues): boolean {
  return Object.entries(values).every(([id, value]) => form[id] === value);
}
