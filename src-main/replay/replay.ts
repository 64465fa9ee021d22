// Replays a reference case (testdata/cases/README.md) through the real engine: store, device processes, averaging, optimizer.
//
// Writes grad0.safetensors, final.safetensors and result.json. Device processes run with one thread each, so that the files are the same
// byte for byte for any number of them.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../contract/errors.ts';
import { optimizerSpec } from '../contract/optimizers.ts';
import { optimizerSlots, type BatchSource } from '../contract/records.ts';
import type { DeviceRecords } from '../contract/steps.ts';
import type { RunDevice } from '../device/discover.ts';
import { placeWorkers } from '../device/placement.ts';
import { makeFolder, storageError } from '../files/files.ts';
import { storeLayout } from '../memory/storeLayout.ts';
import { createModel } from '../families/models.ts';
import { readCaseFile, type Case } from './caseFile.ts';
import type { SpawnDevice } from '../processes/deviceProcess.ts';
import { divergence } from '../run/divergence.ts';
import { Fleet } from '../fleet/fleet.ts';
import { plainTraining } from '../models/training.ts';
import { storeSpec } from '../plan/prepare.ts';
import { sessionsOf } from '../plan/sessions.ts';

export interface ReplayResult {
  /** loss[step][worker] */
  loss: number[][];
  grad_norm: number[];
  eval_loss_step0_worker0: number;
}

export interface ReplayOptions {
  caseFolder: string;
  out: string;
  numDevices: number;
  kind: RunDevice['kind'];
  /** The device that all processes share; absent: each has one of its own, from 0. */
  index?: number;
  spawnDevice: SpawnDevice;
}

export async function replayCase({
  caseFolder,
  out,
  numDevices,
  kind,
  index,
  spawnDevice,
}: ReplayOptions): Promise<ReplayResult> {
  const read = await readCaseFile(caseFolder);
  if (numDevices > read.workers)
    throw new UserError(
      'usage',
      `--devices must be from 1 to the ${read.workers} workers of the case, got ${numDevices}`,
    );
  const records = new Records(read);
  const devices = replayDevices(read.workers, numDevices, kind, index);
  const fleet = await openCase(read, caseFolder, devices, spawnDevice, (of) => records.add(of));
  try {
    await makeFolder(out);
    const rates = new Array<number>(read.steps).fill(read.optimizer.learningRate);
    const train = async (from: number, to: number) => {
      const { step, fault } = await fleet.train(from, rates.slice(from, to));
      if (fault) throw divergence(fault, step, read.optimizer.learningRate);
    };
    await train(0, 1);
    await fleet.store.writeGradients(join(out, 'grad0.safetensors'));
    if (read.steps > 1) await train(1, read.steps);
    await fleet.store.writeValues(join(out, 'final.safetensors'), {
      scales: {},
      statistics: false,
      int64: [],
      metadata: {},
    });
    const { lossSum, labels } = await fleet.evaluate(read.batch_per_worker);
    const result = { loss: records.loss, grad_norm: records.gradNorm, eval_loss_step0_worker0: lossSum / labels };
    await writeFile(join(out, 'result.json'), `${JSON.stringify(result, null, 1)}\n`);
    return result;
  } catch (error) {
    throw storageError(error, out);
  } finally {
    await fleet.close();
  }
}

/** One-threaded devices that share the workers out in order. */
function replayDevices(workers: number, numDevices: number, kind: RunDevice['kind'], shared?: number): RunDevice[] {
  const seats = Array.from({ length: numDevices }, (_, position) => ({
    id: `${kind}:${shared ?? position}`,
    weight: 1,
  }));
  return placeWorkers(workers, seats).map((own, position) => ({
    id: seats[position]!.id,
    kind,
    index: shared ?? position,
    threads: 1,
    workers: own,
  }));
}

function openCase(
  read: Case,
  folder: string,
  devices: RunDevice[],
  spawnDevice: SpawnDevice,
  onRecords: (records: DeviceRecords) => void,
): Promise<Fleet> {
  const { model: spec, masks } = read;
  const model = createModel(spec);
  const optimizer = optimizerSpec(read.optimizer);
  const source: BatchSource = {
    path: join(folder, 'batches.safetensors'),
    seed: 0,
    numWorkers: read.workers,
    microBatch: read.batch_per_worker,
    accumulation: 1,
    reads: { kind: 'case' },
  };
  const layout = storeLayout(model.tensors, masks, {
    numParticipants: devices.length,
    optimizerSlots: optimizerSlots(optimizer),
    statisticsBatches: 0,
    evaluationBatches: 1,
  });
  return Fleet.open({
    spawnDevice,
    devices,
    store: storeSpec(layout),
    setup: { classes: model.classes, optimizer, training: source, evaluation: { source, statisticsBatches: 0 } },
    sessions: sessionsOf(
      model,
      masks,
      devices,
      layout,
      { batch: read.batch_per_worker, ...plainTraining },
      { batch: read.batch_per_worker, branchScale: 1, statisticsBatch: null },
    ),
    fill: (store) => store.readValues(join(folder, 'init.safetensors')),
    onRecords,
  });
}

/** Losses and norms as the device processes report them. */
class Records {
  readonly loss: number[][];
  readonly gradNorm: number[];

  constructor(read: Case) {
    this.loss = Array.from({ length: read.steps }, () => new Array<number>(read.workers).fill(NaN));
    this.gradNorm = new Array<number>(read.steps).fill(NaN);
  }

  add(records: DeviceRecords): void {
    records.step.forEach((step, row) => {
      this.loss[step]![records.worker[row]!] = records.loss[row]!;
      this.gradNorm[step] = records.gradNorm[row]!;
    });
  }
}
