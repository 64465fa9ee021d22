// Reads the file of an explicit plan: YAML or JSON with the list `units`, as plan.json has it.

import { isAbsolute } from 'node:path';
import { parse } from 'yaml';
import { UserError } from '../contract/errors.ts';
import { faultOf } from '../contract/fault.ts';
import { readSmallText } from '../files/files.ts';
import { unitsFile } from '../contract/plan.ts';
import type { ExplicitPlan } from '../masks/explicit.ts';

const key = 'subnetworks.plan';

/** What the file has; nothing where none is named. */
export async function readPlanFile(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  if (!isAbsolute(file)) throw new UserError('configuration', `${key} must be an absolute path, got ${file}`, { key });
  try {
    return await readSmallText(file, 64 << 20);
  } catch (error) {
    const why = (error as Error).message;
    throw new UserError('configuration', `cannot read the plan ${file}: ${why}`, { key, cause: error });
  }
}

/** Whether the units are those of the model is for masks/explicit.ts to say. */
export function parsePlan(file: string, text: string): ExplicitPlan {
  const parsed = unitsFile.safeParse(parseText(file, text), { reportInput: true });
  if (parsed.success) return { file, units: parsed.data.units };
  const sentence = `the plan ${file} cannot be used: ${faultOf(parsed.error, 'the file')}`;
  throw new UserError('configuration', sentence, { key });
}

function parseText(file: string, text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    const why = (error as Error).message.split('\n')[0];
    throw new UserError('configuration', `the plan ${file} cannot be read: ${why}`, { key, cause: error });
  }
}
