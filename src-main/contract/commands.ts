// Every command of the app: name -> schema of parameters and result. Client and server are typed from this record; nothing else crosses.

import { z } from 'zod';
import { dataFolder, dataFolderCommands } from './dataFolder.ts';
import { datasetCommands } from './datasets.ts';
import { doctorCommands } from './doctor.ts';
import { plan } from './plan.ts';
import { exportFormat, weightType } from './exportFormat.ts';
import { sampleLedger } from './ledger.ts';
import { exportResult, runDetail, runSummary } from './run.ts';
import { deviceConfig, runConfig } from './runConfig.ts';
import { settings } from './settings.ts';
import { playgroundCommands } from './playground.ts';
import { checkedLater } from './userPath.ts';
import { importState, verdict, whatToImport } from './verdict.ts';

export const device = z.object({
  id: z.string(),
  kind: z.enum(['cpu', 'webgpu', 'cuda']),
  name: z.string(),
  executionProvider: z.string(),
  memoryBytes: z.number().nullable().describe('null: not known'),
  cores: z.number().optional(),
});
export type Device = z.infer<typeof device>;

/** What a device has in use now, by every program of the machine. */
export const deviceLoad = z.object({
  id: z.string(),
  memoryUsedBytes: z.number().nullable().describe('null: not known'),
  /** Share of its time that it computes, since it was last asked; null where it is not known. */
  load: z.number().nullable(),
});
export type DeviceLoad = z.infer<typeof deviceLoad>;

const datasetFile = {
  name: z.string(),
  train: z.number().describe('images or tokens'),
  test: z.number().describe('images or tokens'),
  source: z.string(),
  fingerprint: z.string(),
  bytes: z.number(),
};

export const imagesDataset = z.object({
  ...datasetFile,
  kind: z.literal('images'),
  classes: z.number(),
  classNames: z.array(z.string()),
  /** [C,H,W] */
  sample: z.array(z.number()),
  /** array: decoded, all of one size; encoded: files as they were, decoded when they are read. */
  storage: z.enum(['array', 'encoded']),
});
export type ImagesDataset = z.infer<typeof imagesDataset>;

export const tokensDataset = z.object({
  ...datasetFile,
  kind: z.literal('tokens'),
  /** Largest token and one. */
  vocabulary: z.number(),
  /** The first of the largest tokens, with its place in the file that it came from. */
  largest: z.object({ token: z.number(), file: z.string(), position: z.number() }),
  /** bytes, bpe, the path of a tokenizer.json, or `tokens` where the files were tokens already. */
  tokenizer: z.string(),
});
export type TokensDataset = z.infer<typeof tokensDataset>;

export const dataset = z.discriminatedUnion('kind', [imagesDataset, tokensDataset]);
export type Dataset = z.infer<typeof dataset>;

/** One that is there and cannot be used; a sentence says why. */
export const damagedDataset = z.object({ name: z.string(), problem: z.string() });
export type DamagedDataset = z.infer<typeof damagedDataset>;
export const damagedRun = z.object({ id: z.string(), problem: z.string() });
export type DamagedRun = z.infer<typeof damagedRun>;

/** A ready run that the first screen offers: its dataset is imported when it starts. */
export const sample = z.object({ id: z.string(), title: z.string(), description: z.string(), config: runConfig });
export type Sample = z.infer<typeof sample>;

const runId = z.strictObject({ runId: z.string().regex(/^[\w.-]{1,100}$/) });
const nothing = z.strictObject({});
/** Checked by parseRunConfig at the receiving side, for one good sentence. */
const rawConfig = z.strictObject({ config: checkedLater(runConfig) });

export const appCommands = {
  /** Everything that the first screen needs, with the sequence number of the last event that it includes. */
  snapshot: {
    params: nothing,
    result: z.object({
      version: z.string(),
      sequence: z.number(),
      devices: z.array(device),
      datasets: z.array(dataset),
      damagedDatasets: z.array(damagedDataset),
      runs: z.array(runSummary),
      damagedRuns: z.array(damagedRun),
      samples: z.array(sample),
      settings,
      dataFolder,
      /** Under way, and those that ended since the app started. */
      imports: z.array(importState),
    }),
  },
  /** Whether the page can be seen: one that cannot is sent no periodic events. `sequence`: number of the last event before the change. */
  setVisible: { params: z.strictObject({ visible: z.boolean() }), result: z.object({ sequence: z.number() }) },
  sampleDevices: { params: nothing, result: z.array(deviceLoad) },
  saveSettings: { params: settings, result: settings },
  planRun: { params: rawConfig, result: plan },
  startRun: { params: rawConfig, result: z.object({ runId: z.string() }) },
  /** Imports the sample's dataset where it is missing, then starts its run. */
  startSample: { params: z.strictObject({ sampleId: z.string().max(100) }), result: z.object({ runId: z.string() }) },
  /** Ends a run at a step boundary with a checkpoint; returns when it has ended. */
  stopRun: { params: runId, result: runSummary },
  /** Holds an active run at a step boundary with its devices as they are; returns when it stands still. */
  pauseRun: { params: runId, result: runSummary },
  /** Lets a paused run go on, or starts one that has ended from its newest whole checkpoint, or from step 0 where it has none. */
  resumeRun: { params: runId, result: runSummary },
  /** Writes a checkpoint of an active run at the next step boundary; returns when it is written. */
  checkpointRun: { params: runId, result: runSummary },
  /** Takes a device into an active run, at a step boundary; returns when it trains there. */
  addDevice: { params: runId.extend({ device: deviceConfig }), result: runSummary },
  /** Others take over its workers at a step boundary, and its process ends. */
  removeDevice: { params: runId.extend({ device: deviceConfig.shape.id }), result: runSummary },
  renameRun: { params: runId.extend({ name: runConfig.shape.name.unwrap() }), result: runSummary },
  /** Its folder with all that is in it; refused while it is active. */
  deleteRun: { params: runId, result: z.object({}) },
  /** The last lines of the run's log. */
  runLog: { params: runId, result: z.object({ lines: z.array(z.string()) }) },
  getRun: { params: runId, result: runDetail },
  sampleLedger: { params: runId, result: sampleLedger },
  exportRun: {
    params: runId.extend({
      format: exportFormat,
      type: weightType.optional().describe('of the weights; default: float32'),
      step: z.int().min(0).optional().describe('default: the newest checkpoint'),
    }),
    result: exportResult,
  },
  ...dataFolderCommands,
  ...doctorCommands,
  ...datasetCommands,
  ...playgroundCommands,
  /** Looks at files within seconds; imports and changes nothing. */
  inspectDataset: { params: z.strictObject(whatToImport), result: verdict },
  /** Begins an import, or goes on with one that was cut off; `importChanged` events tell of it, `datasetImported` of its dataset. */
  startImport: {
    params: z.strictObject({ ...whatToImport, name: z.string().max(100).optional() }),
    result: z.object({ importId: z.string() }),
  },
  /** Returns when it has ended; nothing of it is left. */
  cancelImport: { params: z.strictObject({ importId: z.string().max(100) }), result: importState },
} as const;

export type AppCommands = typeof appCommands;
