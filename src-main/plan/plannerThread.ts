// Entry of a thread that prepares runs (planner.ts): an answer for each job.

import { parentPort } from 'node:worker_threads';
import { UserError } from '../contract/errors.ts';
import { parsePlan } from './planFile.ts';
import type { PlanAnswer, PlanJob } from './planner.ts';
import { prepareRun } from './prepare.ts';

parentPort!.on('message', (job: PlanJob) => parentPort!.postMessage(answer(job)));

function answer({ sources, planText }: PlanJob): PlanAnswer {
  try {
    const explicit = planText === undefined ? undefined : parsePlan(sources[0].subnetworks.plan!, planText);
    return { prepared: prepareRun(...sources, explicit) };
  } catch (error) {
    if (error instanceof UserError) {
      const { code, message, key } = error;
      return { refused: { code, message, key } };
    }
    return { bug: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
