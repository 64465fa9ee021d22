// The model families. Graphs are in models.ts, so that the page, which needs none, has no code for them.

import { z } from 'zod';
import type { ConfigProblem, Family } from './family.ts';
import { llama } from './llama/config.ts';
import { resnet } from './resnet/config.ts';
import { swin } from './swin/config.ts';
import { vit } from './vit/config.ts';

const list = [resnet, swin, vit, llama] as const;

type Schemas<List extends readonly unknown[], Key extends string> = {
  [At in keyof List]: List[At] extends Record<Key, infer Schema> ? Schema : never;
};
const schemas = <Key extends 'config' | 'spec' | 'caseModel'>(key: Key) =>
  list.map((family) => family[key]) as unknown as Schemas<typeof list, Key>;

export const modelConfig = z.discriminatedUnion('family', schemas('config'));
export type ModelConfig = z.infer<typeof modelConfig>;
/** Model with everything inferred from the data. */
export const modelSpec = z.discriminatedUnion('family', schemas('spec'));
export type ModelSpec = z.infer<typeof modelSpec>;
/** `model` of a reference case's case.json. */
export const caseModel = z.discriminatedUnion('family', schemas('caseModel'));

export const families = new Map(
  list.map((family) => [family.config.shape.family.value as string, family as Family<ModelConfig, ModelSpec>]),
);

export function familyOf({ family }: Pick<ModelSpec, 'family'>): Family<ModelConfig, ModelSpec> {
  return families.get(family)!;
}

/** Puts sizes in the place of names. Keys that are given count; where one differs from the preset's, the sizes are custom. */
export function withPresets(model: unknown): unknown {
  if (typeof model !== 'object' || model === null) return model;
  const { family: name, preset } = model as Record<string, unknown>;
  const family = families.get(String(name));
  if (family?.expand) return family.expand(model as Record<string, unknown>);
  const sizes = new Map(Object.entries(family?.sizes ?? {})).get(String(preset));
  if (!sizes) return model;
  const merged: Record<string, unknown> = { ...sizes, ...model };
  const asNamed = Object.entries(sizes).every(([key, value]) => JSON.stringify(merged[key]) === JSON.stringify(value));
  return asNamed ? merged : { ...merged, preset: 'custom' };
}

/** What is wrong with a combination of keys, and the key to name; null where nothing is. */
export function modelProblem(model: ModelConfig): ConfigProblem | null {
  return familyOf(model).problem?.(model) ?? null;
}

/** Keys of a family's section that its preset gives; the form leaves them out. */
export function presetKeys(name: string): readonly string[] {
  return Object.keys(Object.values(families.get(name)?.sizes ?? {})[0] ?? {});
}
