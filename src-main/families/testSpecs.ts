// Specs of all families for tests, made of their presets and of each choice in their configurations, in few layers: what graphs are made of
// does not depend on how many there are.

import { z } from 'zod';
import { families, familyOf, modelConfig, withPresets, type ModelSpec } from './configs.ts';

/** Of each family, its first preset; and all other presets, and the first with each choice. */
export function presetSpecs(): { first: ModelSpec[]; others: ModelSpec[] } {
  const all = [...families].map(([family, { config, presets }]) => {
    const [first, ...others] = presets.map(({ model }) => ({ family, ...model }));
    return { first: first!, others: [...others, ...choices(config).map((choice) => ({ ...first, ...choice }))] };
  });
  return { first: all.map(({ first }) => specOf(first)), others: all.flatMap(({ others }) => others.map(specOf)) };
}

/** Each value of each key that has but a few; the names of presets have sizes of their own. */
function choices({ shape: { preset: _, ...keys } }: z.ZodObject): Record<string, unknown>[] {
  return Object.entries(keys).flatMap(([key, schema]): Record<string, unknown>[] => {
    const inner: unknown = schema instanceof z.ZodDefault ? schema.unwrap() : schema;
    if (inner instanceof z.ZodBoolean) return [{ [key]: false }, { [key]: true }];
    return inner instanceof z.ZodEnum ? inner.options.map((option) => ({ [key]: option })) : [];
  });
}

function specOf(model: object): ModelSpec {
  const config = modelConfig.parse(withPresets(model));
  const family = familyOf(config);
  const spec =
    family.reads === 'images'
      ? family.fit(config, { channels: 3, image: [112, 112], classes: 10 })
      : family.fit(config, { vocabulary: 100, largest: { token: 99, file: '', position: 0 } });
  return inFewLayers(spec);
}

/** At most two stages, and in each two layers. */
function inFewLayers(spec: ModelSpec): ModelSpec {
  const few = (key: string, value: unknown): unknown => {
    if (Array.isArray(value)) return value.slice(0, 2).map((part) => few(key, part));
    return key === 'layers' || key === 'depths' ? Math.min(Number(value), 2) : value;
  };
  return Object.fromEntries(Object.entries(spec).map(([key, value]) => [key, few(key, value)])) as ModelSpec;
}
