// What a device process does when told: opens the store and the sessions of its logical workers, trains, evaluates.
//
// Sessions for evaluation exist from an evaluation to the next training, so that they take no memory of a training run.

import { writeFile } from 'node:fs/promises';
import type { DeviceCommands, DeviceEvents, DeviceSetup } from '../contract/deviceMessages.ts';
import type { Handlers } from '../contract/rpc.ts';
import { preloadFor } from '../device/cudaLibraries.ts';
import {
  customOps,
  sessionArguments,
  unpackMoved,
  unpackSessions,
  type BoundGraph,
  type DeviceSessions,
  type MovedSessions,
} from '../device/deviceSessions.ts';
import { storageError } from '../files/files.ts';
import { native, type EvaluateResult, type NativeDevice, type TrainResult } from '../native.ts';
import type { EventHub } from '../transport/events.ts';
import { collectGarbage } from './collectGarbage.ts';
import { boundBytes, measureDevice } from './deviceMemory.ts';
import { probeGraph } from './probeGraph.ts';
import { runtimeLibrary } from '../runtime/runtimeLibrary.ts';

/** Milliseconds between two record events and between two memory samples. */
const recordsEveryMs = 100;
const memoryEveryMs = 1000;

interface Prepared {
  setup: Omit<DeviceSetup, 'sessions'>;
  device: NativeDevice;
  sessions: Omit<DeviceSessions, 'training'>;
  /** By worker, ascending. */
  training: { worker: number; session: number }[];
  evaluation: { session: number; statistics: number | null } | null;
  /** Of each session that is there. */
  bound: Map<number, ReturnType<typeof boundBytes>>;
}

/** Handlers of the device contract; events go to `hub`. One run per process: `prepare` comes first and once. */
export function deviceHandlers(hub: EventHub<DeviceEvents>): Handlers<DeviceCommands> {
  let prepared: Prepared | undefined;
  const current = (): Prepared => {
    if (!prepared) throw new Error('the device was not prepared');
    return prepared;
  };
  return {
    prepare: async (setup) => {
      prepared = await prepare(setup);
      return { graphs: prepared.device.numGraphs() };
    },
    assign: async ({ gives, takes }) => {
      const before = current();
      await closeEvaluation(before);
      await removeTraining(before, gives);
      for (const sessions of takes) await addTraining(before, unpackMoved(sessions));
      return {};
    },
    train: (params) => train(current(), hub, params),
    evaluate: ({ samples }) => evaluate(current(), hub, samples),
    logits: async ({ count, every, path }) => {
      const ready = current();
      const { session } = (ready.evaluation ??= await openEvaluation(ready));
      const logits = await ready.device.logits(session, ready.setup.evaluation.source, count);
      const chosen = logits.filter((_, index) => Math.floor(index / ready.setup.classes) % every === 0);
      await writeFile(path, chosen).catch((error: unknown) => {
        throw storageError(error, path);
      });
      return {};
    },
    probe: async ({ kind, index }) => ({
      name: await native().probeDevice(
        runtimeLibrary(),
        kind,
        index,
        probeGraph,
        await preloadFor(kind, runtimeLibrary()),
      ),
    }),
    close: () => {
      prepared?.device.close();
      prepared = undefined;
      return {};
    },
  };
}

async function prepare({ sessions: packed, ...setup }: DeviceSetup): Promise<Prepared> {
  const { kind, index, threads } = setup.device;
  const { storePath, participant } = setup;
  const device = await native().openDevice({
    runtimeLibrary: runtimeLibrary(),
    storePath,
    participant,
    kind,
    index,
    threads,
    preload: await preloadFor(kind, runtimeLibrary()),
    customOperators: customOps(),
  });
  const { training, ...sessions } = unpackSessions(packed);
  const prepared: Prepared = { setup, device, sessions, training: [], evaluation: null, bound: new Map() };
  await addTraining(prepared, { ...sessions, training });
  return prepared;
}

async function addTraining(prepared: Prepared, { training, ...sessions }: MovedSessions): Promise<void> {
  for (const bound of training)
    prepared.training.push({ worker: bound.worker!, session: await addSession(prepared, sessions, bound) });
  prepared.training.sort((a, b) => a.worker - b.worker);
  await collectGarbage();
}

async function removeTraining(prepared: Prepared, workers: readonly number[]): Promise<void> {
  for (const { worker, session } of prepared.training)
    if (workers.includes(worker)) await removeSession(prepared, session);
  prepared.training = prepared.training.filter(({ worker }) => !workers.includes(worker));
}

async function addSession(
  { device, bound }: Prepared,
  sessions: Pick<DeviceSessions, 'graphs'>,
  graph: BoundGraph,
): Promise<number> {
  const session = await device.addSession(...sessionArguments(sessions, graph));
  bound.set(session, boundBytes(graph));
  return session;
}

async function removeSession({ device, bound }: Prepared, session: number): Promise<void> {
  bound.delete(session);
  await device.removeSession(session);
}

function sendMemory({ device, setup, bound }: Prepared, hub: EventHub<DeviceEvents>): void {
  const sample = measureDevice(device, setup.device.kind, [...bound.values()]);
  if (sample) hub.emit('memory', sample);
}

async function train(
  prepared: Prepared,
  hub: EventHub<DeviceEvents>,
  segment: { from: number; to: number; learningRates: number[] },
): Promise<TrainResult> {
  const { device, setup, training } = prepared;
  await closeEvaluation(prepared);
  const sendRecords = () => {
    const records = device.drainRecords();
    if (records.step.length > 0) hub.emit('records', records);
  };
  const timers = [
    setInterval(sendRecords, recordsEveryMs),
    setInterval(() => sendMemory(prepared, hub), memoryEveryMs),
  ];
  try {
    return await device.train({
      sessions: training.map(({ session }) => session),
      optimizer: setup.optimizer,
      source: setup.training,
      ...segment,
    });
  } finally {
    timers.forEach(clearInterval);
    sendRecords();
    sendMemory(prepared, hub);
  }
}

async function evaluate(prepared: Prepared, hub: EventHub<DeviceEvents>, samples: number): Promise<EvaluateResult> {
  const { device, setup } = prepared;
  const { session, statistics } = (prepared.evaluation ??= await openEvaluation(prepared));
  const { source, statisticsBatches } = setup.evaluation;
  const sums = await device.evaluate({
    session,
    source,
    samples,
    statistics:
      statistics === null ? undefined : { session: statistics, batches: statisticsBatches, source: setup.training },
  });
  sendMemory(prepared, hub);
  return sums;
}

async function openEvaluation(prepared: Prepared): Promise<NonNullable<Prepared['evaluation']>> {
  const { sessions } = prepared;
  const session = await addSession(prepared, sessions, sessions.evaluation);
  const statistics = sessions.statistics ? await addSession(prepared, sessions, sessions.statistics) : null;
  await collectGarbage();
  return { session, statistics };
}

async function closeEvaluation(prepared: Prepared): Promise<void> {
  const { evaluation } = prepared;
  prepared.evaluation = null;
  if (!evaluation) return;
  await removeSession(prepared, evaluation.session);
  if (evaluation.statistics !== null) await removeSession(prepared, evaluation.statistics);
}
