// Entry of a thread that prepares runs (planner.ts): an answer for each job.

import { parentPort } from 'node:worker_threads';
import { UserError } from '../contract/errors.ts';
import { readPlanFile } from './planFile.ts';
import type { PlanAnswer, PlanJob } from './planner.ts';
import { prepareRun } from './prepare.ts';

parentPort!.on('message', (job: PlanJob) => void answer(job).then((reply) => parentPort!.postMessage(reply)));

async function answer({ sources, planOnly }: PlanJob): Promise<PlanAnswer> {
  try {
    const explicit = await readPlanFile(sources[0].subnetworks.plan);
    const { model: _, ...prepared } = prepareRun(...sources, explicit);
    return { prepared: planOnly ? { plan: prepared.plan } : prepared };
  } catch (error) {
    if (error instanceof UserError) {
      const { code, message, key } = error;
      return { refused: { code, message, key } };
    }
    return { bug: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
