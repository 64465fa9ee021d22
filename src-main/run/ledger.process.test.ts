import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { ledgerSentence } from '../contract/ledger.ts';
import type { RunConfig } from '../contract/runConfig.ts';
import { readLedger } from '../records/sampleLedger.ts';
import { cpuDevices, newHome, nextEvent, openLab, smallConfig, type TestLab } from '../testing/lab.ts';

let lab: TestLab;
beforeAll(async () => {
  lab = await openLab(await newHome());
});
afterAll(async () => {
  await lab.close();
  await rm(lab.home, { recursive: true, force: true });
});

it('the ledger of a run that lost a device, stopped and went on has every sample of its steps once', async () => {
  const config = smallConfig({
    devices: cpuDevices(2),
    training: { steps: 100, accumulation: 2 },
    checkpoint: { every: 100 },
  });
  const runId = await lab.app.start(config);
  await nextEvent(lab, 'stepsAppended');
  lab.processes.at(-1)!.kill();
  await nextEvent(lab, 'deviceChanged');
  const { step } = await lab.app.stop(runId);
  expect((await lab.app.ledger(runId)).checked).toBe(step);
  await lab.app.resume(runId);
  expect((await lab.app.whenEnded(runId)).state).toBe('done');

  const ledger = await lab.app.ledger(runId);
  const rows = [
    { epoch: 0, from: 0, steps: 31, checked: 31, samples: 992, of: 1000 },
    { epoch: 1, from: 31, steps: 31, checked: 31, samples: 992, of: 1000 },
    { epoch: 2, from: 62, steps: 31, checked: 31, samples: 992, of: 1000 },
    { epoch: 3, from: 93, steps: 7, checked: 7, samples: 224, of: 1000 },
  ];
  expect(ledger).toEqual({ steps: 100, checked: 100, wrong: [], epochs: rows });
  expect(ledgerSentence(ledger, String)).toBe(
    '3200 samples in 100 steps: none was skipped, none was read twice in an epoch.',
  );

  // The samples of step 40 in the place of those of step 50; nothing of step 60, and no step 70.
  const path = join(lab.home, 'runs', runId, 'metrics.jsonl');
  const lines = (await readFile(path, 'utf8')).split('\n');
  const at = (of: number) => lines.findIndex((line) => line.startsWith(`{"step":${of},`));
  const sum = (of: number) => /"samples":\d+/.exec(lines[at(of)]!)![0];
  lines[at(50)] = lines[at(50)]!.replace(/"samples":\d+/, sum(40));
  lines[at(60)] = lines[at(60)]!.replace(/"samples":\d+,/, '');
  lines.splice(at(70), 1);
  const other = join(lab.home, 'other.jsonl');
  await writeFile(other, lines.join('\n'));
  const found = await readLedger(other);
  expect(found).toMatchObject({ steps: 100, checked: 97, wrong: [50] });
  expect(found.epochs.map(({ checked }) => checked)).toEqual([31, 29, 30, 7]);
  expect(ledgerSentence(found, String)).toBe('Step 50 was trained on other samples than its own.');
});

it('a run whose seed was changed is checked with each seed, and a run without steps has none', async () => {
  const runId = await lab.app.start(smallConfig({ training: { steps: 100_000 } }));
  await nextEvent(lab, 'stepsAppended');
  const { step } = await lab.app.stop(runId);
  const path = join(lab.home, 'runs', runId, 'config.yaml');
  const config = parse(await readFile(path, 'utf8')) as RunConfig;
  await writeFile(path, stringify({ ...config, training: { ...config.training, steps: step + 3, seed: 7 } }));
  await lab.app.resume(runId, { acceptChanges: true });
  await lab.app.whenEnded(runId);
  const { steps, checked, epochs } = await lab.app.ledger(runId);
  expect([steps, checked]).toEqual([step + 3, step + 3]);
  expect(epochs.map(({ from }) => from)).toContain(step);
  expect(await readLedger(join(lab.home, 'none.jsonl'))).toEqual({ steps: 0, checked: 0, wrong: [], epochs: [] });
});
