// Every event of the app: facts already true, in order. Each carries a sequence number; a client that misses one asks for a new snapshot.

import { z } from 'zod';
import { dataset } from './commands.ts';
import { dataFolder } from './dataFolder.ts';
import { deviceChange, evaluationRecord, exportResult, gradientRecord, memoryRecord, runSummary } from './run.ts';
import { plan } from './plan.ts';
import { settings } from './settings.ts';
import { stepColumns } from './steps.ts';
import { importState } from './verdict.ts';

const ofRun = z.object({ runId: z.string().describe('ID of the run') });

export const appEvents = {
  runChanged: z.object({ summary: runSummary }),
  runRemoved: ofRun,
  stepsAppended: ofRun.extend({ columns: stepColumns }),
  evaluationAppended: ofRun.extend({ evaluation: evaluationRecord }),
  gradientsMeasured: ofRun.extend({ gradients: gradientRecord }),
  memorySampled: ofRun.extend({ memory: memoryRecord }),
  deviceChanged: ofRun.extend({ change: deviceChange }),
  /** Other devices run its workers: who, and what they need. */
  replanned: ofRun.extend({ plan }),
  checkpointWritten: ofRun.extend({ step: z.number().describe('steps done, of the checkpoint') }),
  exportWritten: ofRun.extend({ export: exportResult }),
  /** At most some times a second. */
  importChanged: z.object({ import: importState }),
  datasetImported: z.object({ dataset }),
  /** Deleted, or known by another name from now on. */
  datasetRemoved: z.object({ name: z.string() }),
  settingsSaved: z.object({ settings }),
  dataFolderChosen: z.object({ dataFolder }),
} as const;

export type AppEvents = typeof appEvents;
