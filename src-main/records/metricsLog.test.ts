import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { evaluationRecord } from '../contract/run.ts';
import type { StepColumns } from '../contract/steps.ts';
import { withSmallDisk } from '../testing/smallDisk.ts';
import { columnsOf } from '../testing/steps.ts';
import { MetricsLog } from './metricsLog.ts';
import { readMetrics } from './readMetrics.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdp-metrics-'));
  path = join(folder, 'metrics.jsonl');
});
afterEach(() => rm(folder, { recursive: true }));

const steps = (from: number, losses: (number | null)[]): StepColumns =>
  columnsOf(from, [losses, losses], {
    stepMs: losses.map(() => 7),
    elapsedMs: losses.map((_, row) => 7 * (from + row + 1)),
  });

const evaluationOf = (step: number) =>
  evaluationRecord.parse({ step, loss: 1.5, accuracy: 0.5, perplexity: null, samples: 10, seconds: 1 });

it('reads back what it wrote, and a TensorBoard file lies beside', async () => {
  const log = await MetricsLog.open(folder, path, 0);
  log.appendSteps(steps(0, [3, 2]));
  log.appendEvaluation(evaluationOf(2));
  log.appendSteps(steps(2, [1]));
  await log.close();
  const { columns, evaluations } = await readMetrics(path, 2, 100);
  expect(columns).toEqual(steps(0, [3, 2, 1]));
  expect(evaluations).toEqual([evaluationOf(2)]);
  expect((await readdir(folder)).some((name) => name.startsWith('events.out.tfevents.'))).toBe(true);
});

it('a resumed run drops the steps that it will do again, and a last line that was cut short', async () => {
  const log = await MetricsLog.open(folder, path, 0);
  log.appendSteps(steps(0, [3, 2, 1]));
  log.appendEvaluation(evaluationOf(3));
  await log.close();
  await writeFile(path, `${await readFile(path, 'utf8')}{"step":3,"lo`);
  const resumed = await MetricsLog.open(folder, path, 2);
  resumed.appendSteps(steps(2, [9]));
  await resumed.close();
  const { columns, evaluations } = await readMetrics(path, 2, 100);
  expect([columns.step, columns.loss[0], evaluations]).toEqual([[0, 1, 2], [3, 2, 9], []]);
  expect([resumed.before.elapsedMs, columns.elapsedMs]).toEqual([14, [7, 14, 21]]);
});

it('where the disk is full a resumed run leaves what was there as it was', async ({ skip }) => {
  const done = await withSmallDisk('size=256k', async (disk) => {
    const log = await MetricsLog.open(disk, join(disk, 'metrics.jsonl'), 0);
    log.appendSteps(steps(0, [3, 2, 1]));
    await log.close();
    const before = await readdir(disk);
    await writeFile(join(disk, 'filler'), Buffer.alloc(1 << 20)).catch(() => undefined);
    await expect(MetricsLog.open(disk, join(disk, 'metrics.jsonl'), 2)).rejects.toMatchObject({ code: 'storage' });
    expect(await readdir(disk)).toEqual([...before, 'filler'].sort());
  });
  if (!done) skip('a small file system may not be mounted here');
});

it('thins long runs evenly but keeps the last step and every loss that is not finite', async () => {
  const losses = Array.from({ length: 100 }, (_, step): number | null => (step === 33 ? null : step));
  const log = await MetricsLog.open(folder, path, 0);
  log.appendSteps(steps(0, losses));
  await log.close();
  const { columns } = await readMetrics(path, 2, 10);
  expect(columns.step).toEqual([0, 16, 32, 33, 48, 64, 80, 96, 99]);
  expect(columns.loss[1]![3]).toBeNull();
  expect(columns.elapsedMs.at(-1)).toBe(700);
});

it('keeps memory beside the steps', async () => {
  const log = await MetricsLog.open(folder, path, 0);
  log.appendSteps(steps(0, [3]));
  log.appendMemory({ step: 1, elapsedMs: 7, devices: [] });
  await log.close();
  expect((await readMetrics(path, 2, 10)).memory).toEqual([{ step: 1, elapsedMs: 7, devices: [] }]);
});

it('reads a log from before a series', async () => {
  const line = { step: 0, loss: [3, 2], stepMs: 7 };
  await writeFile(
    path,
    `${JSON.stringify(line)}\n{"evaluation":{"step":1,"loss":1,"accuracy":0.5,"samples":10,"seconds":1}}\n`,
  );
  const { columns, evaluations } = await readMetrics(path, 2, 10);
  expect(columns).toMatchObject({ loss: [[3], [2]], computeMs: [[null], [null]], gradNorm: [null], stepMs: [7] });
  expect(evaluations).toMatchObject([{ step: 1, loss: 1, accuracy: 0.5, perplexity: null, samples: 10, seconds: 1 }]);
});
