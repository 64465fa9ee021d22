// The diagnosis of this machine for the runs of a home: with the room that the last run's parameter store takes, or the sample's.

import type { Diagnosis, Purpose } from '../contract/doctor.ts';
import { UserError } from '../contract/errors.ts';
import { optimizerSpec } from '../contract/optimizers.ts';
import type { Plan } from '../contract/plan.ts';
import { optimizerSlots } from '../contract/records.ts';
import type { RunConfig } from '../contract/runConfig.ts';
import { diagnose } from '../device/doctor.ts';
import type { StoreNeed } from '../device/machineFacts.ts';
import { RunFolder } from '../records/runFolder.ts';
import { listRuns } from '../records/runList.ts';

/** Bytes of the store of the sample, before there is a run to go by. */
export const sampleStoreBytes = 11.4e6;

/** `home`: where state lives, or why that cannot be told. */
export async function diagnoseHome(home: string | UserError, purpose?: Purpose): Promise<Diagnosis> {
  const store = typeof home === 'string' ? await lastStore(home).catch(userError) : null;
  if (store instanceof UserError) return await diagnoseHome(store, purpose);
  return diagnose({
    ...(purpose === undefined ? {} : { purpose }),
    dataFolder: home,
    store: store ?? { bytes: sampleStoreBytes, of: 'the store of the sample' },
  });
}

function userError(error: unknown): UserError {
  if (error instanceof UserError) return error;
  throw error;
}

/** Of the newest run that got as far as a plan. */
async function lastStore(home: string): Promise<StoreNeed | null> {
  for (const { id } of (await listRuns(home)).runs) {
    const folder = new RunFolder(home, id);
    const [plan, config] = await Promise.all([folder.readPlan(), folder.readConfig().catch(() => null)]);
    if (plan && config) return { bytes: storeBytesOf(plan, config), of: `the store of the last run ${id}` };
  }
  return null;
}

/** Parameters, optimizer state, and a gradient for all that workers hold; buffers and padding are small beside them. */
export function storeBytesOf({ model, workers }: Plan, config: RunConfig): number {
  const gradients = workers.reduce((sum, { parameters }) => sum + parameters, 0);
  return 4 * ((1 + optimizerSlots(optimizerSpec(config.training)).length) * model.parameters + gradients);
}
