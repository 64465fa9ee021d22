// Models by name: what the form sets for each.

import { families } from '../../src-main/families/configs.ts';
import { asText, familyKey, modelFieldId, type FormValues } from './fields.ts';

export interface ModelPreset {
  name: string;
  values: FormValues;
}

export const modelPresets: readonly ModelPreset[] = [...families].flatMap(([family, { presets }]) =>
  presets.map(({ title, model }) => {
    const ids = Object.entries(model).map(([key, value]) => [modelFieldId(family, key), asText(value)]);
    return { name: title, values: { [familyKey]: family, ...Object.fromEntries(ids) } as FormValues };
  }),
);

export function isChosen({ values }: ModelPreset, form: FormValues): boolean {
  return Object.entries(values).every(([id, value]) => form[id] === value);
}
