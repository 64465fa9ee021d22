// The built command as a user runs it: exit codes, sentences, and what is left on disk.

import { execFile, spawn } from 'node:child_process';
import { cp, mkdir, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { cliPath, newHome, smallConfig } from '../testing/lab.ts';
import { withSmallDisk } from '../testing/smallDisk.ts';

let home: string;
let config: string;
beforeAll(async () => {
  home = await newHome();
  config = join(home, 'config.yaml');
  await writeFile(config, stringify(smallConfig({})));
});
afterAll(() => rm(home, { recursive: true, force: true }));

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

function sdp(args: string[], folder = home): Promise<Ended> {
  return new Promise((resolve) => {
    const env = { ...process.env, SDP_HOME: folder };
    execFile(process.execPath, [cliPath, ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

describe('bad input gives one sentence, the right exit code and leaves nothing', () => {
  const set = (assignment: string) => ['train', 'CONFIG', '--set', assignment];
  const refusals: [string, string[], number, RegExp][] = [
    [
      'a missing configuration',
      ['train', 'nowhere.yaml'],
      2,
      /^sdp: cannot read the configuration nowhere\.yaml: there is no such file\n$/,
    ],
    ['an unknown key', set('training.stepz=3'), 2, /^sdp: training\.stepz is not a key of the run configuration\n$/],
    ['a wrong type', set('training.steps=many'), 2, /^sdp: training\.steps must be a number, got "many"\n$/],
    [
      'coverage 0',
      set('subnetworks.coverage=0'),
      2,
      /^sdp: subnetworks\.coverage must be from 1 to the number of workers, 4, got 0\n$/,
    ],
    [
      'coverage above N',
      set('subnetworks.coverage=5'),
      2,
      /^sdp: subnetworks\.coverage must be from 1 to the number of workers, 4, got 5\n$/,
    ],
    [
      'a batch that does not divide',
      set('training.batch=30'),
      2,
      /^sdp: training\.batch must be divisible by 4 workers, got 30\n$/,
    ],
    [
      'a batch above the dataset',
      set('training.batch=1004'),
      2,
      /^sdp: training\.batch must be at most the 1000 training samples of digits, got 1004\n$/,
    ],
    [
      'a device that is not there',
      set('devices=[cuda:0]'),
      2,
      /^sdp: devices: cuda:0 is not a device of this machine; "sdp devices" lists them\n$/,
    ],
    ['an unknown dataset', set('data.dataset=other'), 1, /^sdp: there is no dataset "other": imported are digits; /],
    ['a malformed --set', set('steps'), 2, /^sdp: --set takes key=value, got "steps"\n$/],
    ['an unknown run', ['resume', 'never'], 2, /^sdp: there is no run "never" /],
    ['a run id that is a path', ['evaluate', '../config'], 2, /^sdp: "\.\.\/config" is not the id of a run/],
    ['an unknown command', ['teach'], 2, /unknown command 'teach'/],
    ['an unknown option', ['runs', '--jason'], 2, /unknown option '--jason'/],
    [
      'a case that is not there',
      ['replay', 'nowhere', '--out', 'OUT'],
      1,
      /^sdp: nowhere\/case\.json cannot be read: /,
    ],
  ];

  it.each(refusals)('%s', async (_, args, code, message) => {
    const before = await readdir(join(home, 'runs')).catch(() => []);
    const ended = await sdp(args.map((arg) => arg.replace('CONFIG', config).replace('OUT', join(home, 'out'))));
    expect(ended.stderr).toMatch(message);
    expect([ended.code, ended.stdout]).toEqual([code, '']);
    expect(await readdir(join(home, 'runs')).catch(() => [])).toEqual(before);
  });

  it('names line and column of broken YAML', async () => {
    const path = join(home, 'broken.yaml');
    await writeFile(path, 'model:\n  family: resnet\n data: {');
    const ended = await sdp(['plan', path]);
    expect([ended.code, ended.stderr]).toEqual([
      2,
      expect.stringMatching(/^sdp: .*broken\.yaml, line 3, column \d+: .+\n$/),
    ]);
  });

  it('a truncated IDX file and files of different counts', async () => {
    const files = join(home, 'bad');
    await mkdir(files);
    const idx = (magic: number, dims: number[], bytes: number) => {
      const file = Buffer.alloc(4 + 4 * dims.length + bytes);
      [magic, ...dims].forEach((word, index) => file.writeUInt32BE(word, 4 * index));
      return file;
    };
    for (const split of ['train', 't10k']) {
      await writeFile(join(files, `${split}-images-idx3-ubyte`), idx(0x803, [4, 2, 2], 16));
      await writeFile(join(files, `${split}-labels-idx1-ubyte`), idx(0x801, [3], 3));
    }
    expect(await sdp(['import', files])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/4 images.*3 labels|3 labels.*4 images/) as string,
    });
    await truncate(join(files, 'train-images-idx3-ubyte'), 20);
    expect(await sdp(['import', files])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^sdp: .*train-images-idx3-ubyte.*\n$/) as string,
    });
    expect(await sdp(['import', join(home, 'gone')])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/gone does not exist\n$/) as string,
    });
    expect(await readdir(join(home, 'datasets'))).toEqual(['digits']);
  });
});

it('train, runs, evaluate, resume and export tell what they did, as JSON too', async () => {
  const trained = await sdp(['train', config, '--set', 'training.steps=4', '--json']);
  expect(trained).toMatchObject({ code: 0, stderr: '' });
  const events = trained.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { event: string; summary?: { id: string } });
  expect(new Set(events.map(({ event }) => event))).toEqual(
    new Set(['runChanged', 'stepsAppended', 'evaluationAppended', 'memorySampled', 'checkpointWritten']),
  );
  const id = events[0]!.summary!.id;
  expect(JSON.parse((await sdp(['runs', '--json'])).stdout)).toMatchObject({ runs: [{ id, state: 'done', step: 4 }] });
  expect(JSON.parse((await sdp(['evaluate', id, '--json'])).stdout)).toMatchObject({ step: 4, samples: 200 });
  expect(await sdp(['resume', id])).toMatchObject({
    code: 1,
    stderr: `sdp: run ${id} is done; there is nothing to resume\n`,
  });
  const out = join(home, 'exported');
  expect(await sdp(['export', id, '--format', 'onnx', '--out', out])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('agrees with the engine') as string,
  });
  expect(await readdir(out)).toEqual(['model.onnx']);
});

it('Ctrl-C, delivered twice as under npm, ends the run at a step boundary with a checkpoint', async () => {
  const child = spawn(process.execPath, [cliPath, 'train', config, '--set', 'training.steps=100000', '--json'], {
    env: { ...process.env, SDP_HOME: home },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  let last: { event: string; summary?: { id: string; state: string; step: number } } | undefined;
  for await (const line of createInterface(child.stdout)) {
    const event = JSON.parse(line) as NonNullable<typeof last>;
    if (event.event === 'stepsAppended') for (const _ of [1, 2]) child.kill('SIGINT');
    if (event.summary) last = event;
  }
  expect(await ended).toBe(0);
  const { id, state, step } = last!.summary!;
  expect(state).toBe('stopped');
  const checkpoint = `step-${String(step).padStart(8, '0')}`;
  expect(await readdir(join(home, 'runs', id, 'checkpoints'))).toEqual([checkpoint]);
});

it('plan gives the same JSON for the same seed, with every unit on k workers', async () => {
  const args = [
    'plan',
    config,
    '--set',
    'subnetworks.workers=8',
    '--set',
    'subnetworks.coverage=3',
    '--set',
    'training.batch=64',
    '--json',
  ];
  const [first, second] = [await sdp(args), await sdp(args)];
  expect(second).toEqual(first);
  const plan = JSON.parse(first.stdout) as { units: { holders: number[] }[]; devices: { memory: { total: number } }[] };
  expect(plan.units.every((unit) => unit.holders.length === 3)).toBe(true);
  expect(plan.devices.every((device) => device.memory.total > 0)).toBe(true);
});

it('a disk that fills up while a checkpoint is written ends the run, and the last checkpoint stays whole', async (context) => {
  const mounted = await withSmallDisk('5m', async (disk) => {
    await cp(join(home, 'datasets'), join(disk, 'datasets'), { recursive: true });
    const overrides = ['model.width=64', 'training.steps=5', 'checkpoint.every=1'].flatMap((set) => ['--set', set]);
    const ended = await sdp(['train', config, ...overrides, '--json'], disk);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(
      /^sdp: writing .* failed because the disk is full while saving; the last checkpoint is of step 1\n$/,
    );
    const [run] = await readdir(join(disk, 'runs'));
    const folder = join(disk, 'runs', run!);
    expect(await readdir(join(folder, 'checkpoints'))).toEqual(['step-00000001']);
    const { summary } = JSON.parse(await readFile(join(folder, 'state.json'), 'utf8')) as { summary: object };
    expect(summary).toMatchObject({ state: 'failed', step: 2 });
    expect(await sdp(['evaluate', run!, '--json'], disk)).toMatchObject({ code: 0, stderr: '' });
  });
  if (!mounted) context.skip('a small file system cannot be mounted here (needs root)');
});
