// Whole runs through the app, as a user has them: devices of two kinds in one run, a device process that is killed, and a run that a device has no
// room for.

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../contract/errors.ts';
import { isActive } from '../contract/run.ts';
import { parseRunConfig, type RunConfig } from '../contract/runConfig.ts';
import { createApp, type App } from '../lab/app.ts';
import type { DeviceProcess } from '../processes/deviceProcess.ts';
import { samples } from '../lab/samples.ts';
import { spawnDevice } from '../processes/childProcess.ts';
import type { Cell } from './report.ts';
import { type KitContext, messageOf, type Section, type SectionLog } from './section.ts';

const started: DeviceProcess[] = [];

async function openApp({ scratch }: KitContext): Promise<App> {
  const spawn = spawnDevice(join(import.meta.dirname, 'worker.js'));
  return createApp({
    home: join(scratch, 'home'),
    spawnDevice: (name) => {
      const process = spawn(name);
      started.push(process);
      return process;
    },
  });
}

/** The sample LLaMA on speeches, shortened. */
function speeches(
  devices: RunConfig['devices'],
  changes: { steps: number; model?: object; batch?: number },
): RunConfig {
  const { config } = samples.find(({ id }) => id === 'speeches-llama')!;
  const { steps, model = {}, batch = config.training.batch } = changes;
  return parseRunConfig({
    ...config,
    name: 'kit',
    model: { ...config.model, ...model },
    devices,
    training: { ...config.training, steps, batch },
    evaluation: { ...config.evaluation, samples: 8 },
  });
}

export const mixedSection: Section = {
  name: 'mixed',
  title: 'One run on devices of two kinds',
  limit: 60,
  run: runMixed,
};

async function runMixed(context: KitContext, log: SectionLog): Promise<void> {
  const app = await openApp(context);
  const devices = context.device.kind === 'cpu' ? ['cpu:0', 'cpu:1'] : [context.device.id, 'cpu:0'];
  const steps = context.quick ? 6 : 30;
  const row = log.table('', ['devices', 'state', 'steps', 'loss of the last evaluation', 's']);
  const start = Date.now();
  let loss: number | null = null;
  app.events.subscribe(({ name, payload }) => {
    if (name === 'evaluationAppended') loss = (payload as { evaluation: { loss: number | null } }).evaluation.loss;
  });
  const config = speeches(
    devices.map((id) => ({ id, threads: 1 })),
    { steps },
  );
  const { state, step, reason } = await app.whenEnded(await app.start(config));
  row([devices.join(' and '), state, step, loss, (Date.now() - start) / 1000]);
  await app.close();
  if (state !== 'done' || loss === null) throw new UserError('device', `the run is ${state}: ${reason}`);
  if (!(loss > 0))
    throw new UserError('device', `the run ended with a loss of ${String(loss)}, which no network reaches`);
}

export const faultsSection: Section = {
  name: 'faults',
  title: 'What the user is told when a device is lost or has no room',
  limit: 60,
  run: runFaults,
};

async function runFaults(context: KitContext, log: SectionLog): Promise<void> {
  const app = await openApp(context);
  const row = log.table('', ['what was done', 'state', 'the sentence']);
  const { id } = context.device;
  const killed = await killDevice(app, [{ id, threads: 1 }]);
  row(['kill -9 of the device process while it trains', killed.state, killed.reason]);
  const limited = { id, threads: 1, memory: '64MiB' };
  row(['a limit of 64 MiB for the device', 'refused', await refusal(app, speeches([limited], { steps: 2 }))]);
  if (!context.quick) await tooLarge(app, context, row);
  await app.close();
  if (killed.state !== 'failed' || !killed.reason.includes(id))
    throw new UserError('device', `the killed device was told as: ${killed.state}, "${killed.reason}"`);
}

async function tooLarge(app: App, { device: { id, kind } }: KitContext, row: (cells: Cell[]) => void): Promise<void> {
  // The scores of attention alone take 64 GiB for each of its four blocks.
  const model = { preset: 'custom', hidden: 1024, ff: 4096, layers: 4, heads: 16, kvHeads: 16, seq: 4096 };
  const huge = speeches([{ id, threads: 1 }], { steps: 2, model, batch: 256 });
  row(['a run larger than the device', 'refused', await refusal(app, huge)]);
  if (kind === 'cuda') {
    const { state, reason } = await app.whenEnded(await app.start(huge, { force: true }));
    row(['the same with --force', state, reason]);
  }
}

async function killDevice(app: App, devices: RunConfig['devices']) {
  const before = started.length;
  const trained = new Promise<void>((resolve) => {
    app.events.subscribe(({ name }) => {
      if (name === 'stepsAppended') resolve();
    });
  });
  const id = await app.start(speeches(devices, { steps: 100_000 }));
  const ended = app.whenEnded(id);
  await Promise.race([trained, ended]);
  started.slice(before).forEach((process) => process.kill());
  const summary = await ended;
  while (isActive(summary.state)) await sleep(50);
  return summary;
}

async function refusal(app: App, config: RunConfig): Promise<string> {
  try {
    const id = await app.start(config);
    await app.stop(id);
    return 'it was not refused';
  } catch (error) {
    return messageOf(error);
  }
}
