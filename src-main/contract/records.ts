// Records that cross to Rust. Their types and schemas are made from the Rust sources when the addon is built (scripts/lib/nativeTypes.mjs), so
// that nothing is declared twice: what a message carries of them is checked by the schema that Rust's own record has.

import { z } from 'zod';
import type { OptimizerSpec, Reading, Records } from '../../native/binding/index.d.ts';
import schemas from '../../native/binding/records.json' with { type: 'json' };

export type {
  Augmentation,
  BatchSource,
  EvaluateResult,
  Fault,
  OptimizerSpec,
  Reading,
  StoreLayout,
  StoreRun,
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

/** Names of the state that an optimizer keeps of each parameter, as checkpoints have them. */
export function optimizerSlots({ rule }: OptimizerSpec): string[] {
  return schemas.$defs.UpdateRule.oneOf.find(({ properties }) => properties.kind.const === rule.kind)!.slots;
}
