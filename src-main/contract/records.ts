// Records that cross to Rust. Their types and schemas are made from the Rust sources when the addon is built (scripts/lib/nativeTypes.mjs), so
// that nothing is declared twice: what a message carries of them is checked by the schema that Rust's own record has.

import { z } from 'zod';
import type { OptimizerSpec, Reading, Records } from '../../native/binding/index.d.ts';
import schemas from '../../native/binding/records.json' with { type: 'json' };

export type {
  AccountLine,
  Augmentation,
  BatchSource,
  DatasetFormat,
  EvaluateResult,
  Fault,
  ImportOptions,
  OptimizerSpec,
  Place,
  Preview,
  Problem,
  Reading,
  Remedy,
  Sampling,
  StoreLayout,
  StoreSpan,
  StoreTensor,
  UpdateRule,
} from '../../native/binding/index.d.ts';

/** Images of a dataset, and how they become what the graph reads. */
export type ImageReading = Extract<Reading, { kind: 'images' }>;

/** The schema of a record. */
export function record<Name extends keyof Records>(name: Name): z.ZodType<Records[Name], Records[Name]> {
  const $defs = schemas.$defs as unknown as Record<string, z.core.JSONSchema.JSONSchema>;
  return z.fromJSONSchema({ $ref: `#/$defs/${name}`, $defs }) as z.ZodType<Records[Name], Records[Name]>;
}

/** One that is an object, whose parts others take up. */
export const recordObject = <Name extends keyof Records>(name: Name) =>
  record(name) as unknown as z.ZodObject<Shape<Records[Name]>>;

type Shape<Of> = {
  [Key in keyof Of]-?: undefined extends Of[Key]
    ? z.ZodOptional<z.ZodType<Exclude<Of[Key], undefined>>>
    : z.ZodType<Of[Key]>;
};

/** Names of the state that an optimizer keeps of each parameter, as checkpoints have them. */
export function optimizerSlots({ rule }: OptimizerSpec): string[] {
  return schemas.$defs.UpdateRule.oneOf.find(({ properties }) => properties.kind.const === rule.kind)!.slots;
}
