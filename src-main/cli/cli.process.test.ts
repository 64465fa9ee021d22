// The built command as a user runs it: exit codes, sentences, and what is left on disk.

import { execFile, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import { diagnosis } from '../contract/doctor.ts';
import type { Plan } from '../contract/plan.ts';
import { noLoss } from '../contract/run.ts';
import { caseFolder } from '../testing/cases.ts';
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

describe('doctor', () => {
  it('names what CUDA lacks in at most ten lines, and fails where it was asked for', async () => {
    const { code, stdout } = await sdp(['doctor', '--for', 'cuda']);
    const rows = stdout.trimEnd().split('\n');
    expect(rows.length).toBeLessThanOrEqual(10);
    expect(code).toBe(rows.some((row) => row.startsWith('missing')) ? 1 : 0);
    expect(stdout).toContain('NVIDIA driver');
  });

  it('finds nothing missing for CPU devices', async () => {
    const { code, stdout } = await sdp(['doctor', '--for', 'cpu', '--json']);
    const { findings } = diagnosis.parse(JSON.parse(stdout));
    expect(findings.filter(({ state }) => state === 'missing')).toEqual([]);
    expect(findings).toContainEqual(expect.objectContaining({ id: 'data-folder' }));
    expect(code).toBe(0);
  });

  it('says in which folder nothing can be stored', async () => {
    const { code, stdout } = await sdp(['doctor', '--json'], join(config, 'home'));
    const { findings } = diagnosis.parse(JSON.parse(stdout));
    expect(findings).toContainEqual(expect.objectContaining({ id: 'data-folder', state: 'missing' }));
    expect(code).toBe(1);
  });
});

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
      /^sdp: devices: cuda:0 is not a device of this machine: .+\n$/,
    ],
    ['an unknown dataset', set('data.dataset=other'), 1, /^sdp: there is no dataset "other": imported are digits; /],
    [
      'a key that no object can have',
      set('__proto__.x=1'),
      2,
      /^sdp: __proto__ is not a key of the run configuration\n$/,
    ],
    [
      'one that is nested',
      set('training.__proto__=1'),
      2,
      /^sdp: training\.__proto__ is not a key of the run configuration\n$/,
    ],
    ['a malformed --set', set('steps'), 2, /^sdp: --set takes key=value, got "steps"\n$/],
    ['an unknown run', ['resume', 'never'], 2, /^sdp: there is no run "never"; "sdp runs" lists the runs/],
    ['a run id that is a path', ['evaluate', '../config'], 2, /^sdp: "\.\.\/config" is not the id of a run/],
    ['an unknown command', ['teach'], 2, /unknown command 'teach'/],
    ['an unknown option', ['runs', '--jason'], 2, /unknown option '--jason'/],
    [
      'two cases of one name',
      ['replay', 'a/case', 'b/case', '--out', 'OUT'],
      2,
      /^sdp: two cases are named case, which would write to one folder; replay them apart\n$/,
    ],
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

  it('YAML that repeats itself without end, is nested without end, or holds millions of characters', async () => {
    const level = (letter: string, of: string) => `${letter}: &${letter} [${new Array(9).fill(of).join(', ')}]`;
    const bomb = ['a: &a [x, x]', ...[...'bcdefghi'].map((l, i) => level(l, `*${'abcdefgh'[i]}`))].join('\n');
    const files = {
      bomb,
      deep: `model: ${'['.repeat(50_000)}${']'.repeat(50_000)}`,
      nested: `model: ${'['.repeat(500)}${']'.repeat(500)}\ndata: {dataset: x}`,
      long: `model: {family: resnet}\ndata: {dataset: x}\nname: [${'n'.repeat(5e6)}]`,
      longKey: `model: {family: resnet}\ndata: {dataset: x}\n? ${'k'.repeat(5e6)}\n: 1`,
      prototype: 'model: {family: resnet}\ndata: {dataset: x}\n__proto__: {x: 1}',
    };
    for (const [name, text] of Object.entries(files)) {
      const path = join(home, `${name}.yaml`);
      await writeFile(path, text);
      const { code, stderr, stdout } = await sdp(['plan', path]);
      expect({ name, code, stdout }).toEqual({ name, code: 2, stdout: '' });
      expect(stderr).toMatch(/^sdp: [^\n]{20,3000}\n$/);
      expect(stderr).not.toContain('please report');
    }
  }, 90_000);

  it('a truncated IDX file and files of different counts', async () => {
    const files = join(home, 'bad');
    await mkdir(files);
    const idx = (magic: number, dims: number[], bytes: number) => {
      const file = Buffer.alloc(4 + 4 * dims.length + bytes);
      [magic, ...dims].forEach((word, index) => file.writeUInt32BE(word, 4 * index));
      file[file.length - 1] = 1;
      return file;
    };
    const write = async (images: number, labels: number) => {
      for (const split of ['train', 't10k']) {
        await writeFile(join(files, `${split}-images-idx3-ubyte`), idx(0x803, [images, 2, 2], 4 * images));
        await writeFile(join(files, `${split}-labels-idx1-ubyte`), idx(0x801, [labels], labels));
      }
    };
    await write(4, 3);
    expect(await sdp(['import', files])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/4 images.*3 labels|3 labels.*4 images/) as string,
    });
    await write(4, 4);
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

it('of a dataset it is told what became of the files that it was imported from', async () => {
  const inspected = await sdp(['inspect', join(import.meta.dirname, '../../testdata/datasets/folder.zip')]);
  const verdict = inspected.stdout.slice(inspected.stdout.indexOf('  used:'), inspected.stdout.indexOf('  ready'));
  const folder = await mkdtemp(join(tmpdir(), 'sdp-test-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await sdp(['import', join(import.meta.dirname, '../../testdata/datasets/folder.zip'), '--name', 'pets'], folder);
  const { code, stdout } = await sdp(['datasets', 'pets'], folder);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^NAME .*\npets +images .*\n {2}used:\n {4}\d+ files: training images/);
  expect(stdout.slice(stdout.indexOf('  used:'))).toBe(verdict);
  expect(await sdp(['datasets', 'cats'], folder)).toMatchObject({
    code: 1,
    stderr: 'sdp: there is no dataset "cats": imported are pets; add one with "sdp import PATH"\n',
  });
});

it.each([
  [['inspect', '.', '--leave-out', 'a', '--leave-out', 'b'], '--leave-out <value>'],
  [['import', '.', '--as', 'text', '--as', 'text'], '--as <value>'],
  [['replay', 'case', '--out', 'a', '--out', 'b'], '--out <folder>'],
  [['devices', 'add', 'cpu:1', '--threads', '1', '--threads', '2'], '--threads <count>'],
])('an option that takes one value and is given twice is refused by name: %j', async (args, flags) => {
  const stderr = `error: option '${flags}' is given twice; it takes one value\n`;
  expect(await sdp(args)).toEqual({ code: 2, stdout: '', stderr });
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
  expect((await readdir(out)).sort()).toEqual(['labels.txt', 'model.onnx', 'preprocessor_config.json']);
});

it('training that comes to what is not finite fails with a sentence', async () => {
  const training = ['training.learningRate=1e38', 'training.weightDecay=10', 'training.momentum=0'];
  const { code, stderr } = await sdp(['train', config, ...training.flatMap((one) => ['--set', one])]);
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^sdp: \S+ or its optimizer state would not be finite in step 1 \(learning rate 1e\+38\); try .*$/m,
  );
});

describe('names that would act on a terminal', () => {
  const hostile = 'cat\u001b]0;owned\u0007\u009b2J\nsdp: all is well';
  const spelt = 'cat\\x1b]0;owned\\x07\\x9b2J\\nsdp: all is well';

  /** What a command prints: it acts on nothing, and has the name once spelt out. */
  async function printed(args: string[], folder = home): Promise<string> {
    const { stdout, stderr } = await sdp(args, folder);

    expect(stdout + stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]|^sdp: all is well/m);
    return stdout + stderr;
  }

  it('of classes and files are spelt out by inspect and import, and in JSON', async () => {
    const folder = join(home, 'pets');
    for (const name of [hostile, 'dog'])
      await cp(join(import.meta.dirname, '../../testdata/datasets/jpeg/ant'), join(folder, name), { recursive: true });
    await writeFile(join(folder, hostile, `${hostile}.jpg`), 'no picture');
    const inspected = await printed(['inspect', folder]);
    expect(inspected).toContain(`classes: ${spelt} (`);
    expect(inspected).toContain(`${spelt}.jpg`);
    expect(await printed(['import', join(folder, `gone ${hostile}`)])).toContain(spelt);
    const { content } = JSON.parse(await printed(['inspect', folder, '--json'])) as { content: { classes: object[] } };
    expect(content.classes[0]).toMatchObject({ name: hostile });
  });

  it('of runs and datasets are spelt out in lists and refusals', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sdp-test-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const [known] = ['20261128-000000-cat'];
    await mkdir(join(folder, 'runs', known), { recursive: true });
    const summary = {
      ...{
        id: known,
        name: hostile,
        state: 'done',
        reason: '',
        step: 1,
        steps: 1,
        createdAt: '2026-11-28T00:00:00.000Z',
      },
      ...{ accuracy: null, perplexity: null, curve: noLoss, dataset: hostile, fingerprint: '', warning: '' },
    };
    await writeFile(join(folder, 'runs', known, 'state.json'), JSON.stringify({ summary, exports: [], pid: 1 }));
    expect(await printed(['runs'], folder)).toContain(spelt);
    expect(await printed(['resume', hostile], folder)).toContain(spelt);
    expect(await printed(['train', config, '--set', `data.dataset=${JSON.stringify(hostile)}`])).toContain(spelt);
    expect(await printed([hostile.replace('\n', ' ')], folder)).toContain('cat\\x1b');
  });
});

describe('when nobody reads the output any more', () => {
  /** What remains of a command whose output is closed once `enough` of it was read. */
  async function cutOff(args: string[], enough: (line: string) => boolean): Promise<Ended> {
    const child = spawn(process.execPath, [cliPath, ...args], {
      env: { ...process.env, SDP_HOME: home },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
    const code = new Promise<number | null>((resolve) => child.once('close', resolve));
    let stdout = '';
    for await (const line of createInterface(child.stdout)) {
      stdout += line;
      if (enough(line)) break;
    }
    child.stdout.destroy();
    return { code: (await code)!, stdout, stderr };
  }

  it('a run ends at a step boundary with a checkpoint, without a word', async () => {
    const args = ['train', config, '--set', 'training.steps=100000', '--json'];
    const { code, stderr, stdout } = await cutOff(args, (line) => line.includes('"stepsAppended"'));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const id = /"id":"([^"]+)"/.exec(stdout)![1]!;
    const { runs } = JSON.parse((await sdp(['runs', '--json'])).stdout) as { runs: { id: string; state: string }[] };
    expect(runs.find((run) => run.id === id)).toMatchObject({ state: 'stopped' });
    expect(await readdir(join(home, 'runs', id, 'checkpoints'))).toHaveLength(1);
  });

  it('any other command just ends', async () => {
    expect(await cutOff(['datasets'], () => true)).toMatchObject({ code: 0, stderr: '' });
    const pipe = spawn(
      '/bin/sh',
      ['-c', `"$0" "$1" plan "$2" 2>&1 >/dev/full | head -c 400`, process.execPath, cliPath, config],
      {
        env: { ...process.env, SDP_HOME: home },
      },
    );
    let text = '';
    for await (const part of pipe.stdout) text += String(part);
    expect(text).toMatch(/^sdp: the output cannot be written \(ENOSPC\)\n$/);
  });
});

it('replay prints a line per case with its largest relative error', async () => {
  const out = join(home, 'replayed');
  const cases = ['llama-block-forward', 'resnet-ddp'];
  const ended = await sdp(['replay', ...cases.map(caseFolder), '--out', out, '--devices', '2']);
  const lines = ended.stdout.trimEnd().split('\n');
  expect(lines.map((line) => line.replace(/  \d\.\de-\d  (grad0|final|loss).*/, ''))).toEqual(cases);
  expect((await readdir(out)).sort()).toEqual(cases);
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

describe('plan', () => {
  const resnet18 = ['model.layers=resnet18', 'model.width=64', 'subnetworks.workers=8', 'training.batch=64'];
  interface Planned {
    units: { id: string; holders: number[] }[];
    workers: { flopsPerSample: number }[];
    devices: { memory: { total: number } }[];
    connected: boolean;
    spectralGap: number;
  }

  async function planned(...overrides: string[]): Promise<{ text: string; plan: Planned }> {
    const ended = await sdp(['plan', config, ...overrides.flatMap((set) => ['--set', set]), '--json']);
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    return { text: ended.stdout, plan: JSON.parse(ended.stdout) as Planned };
  }

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('of ResNet-18 for 8 workers puts every unit on k = %i of them', async (k) => {
    const overrides = [...resnet18, `subnetworks.coverage=${k}`, 'subnetworks.assignment=cost'];
    const { text, plan } = await planned(...overrides);
    expect((await planned(...overrides)).text).toBe(text);
    expect(plan.units.map((unit) => new Set(unit.holders).size)).toEqual(new Array(8).fill(k));
    expect(plan.devices.every((device) => device.memory.total > 0)).toBe(true);
    expect(plan.connected).toBe(k > 1);
    const flops = plan.workers.map((worker) => worker.flopsPerSample);
    const mean = flops.reduce((sum, value) => sum + value, 0) / flops.length;
    if (k >= 3) expect(Math.max(...flops)).toBeLessThanOrEqual(1.1 * mean);
    if (k === 8) expect(plan.spectralGap).toBeCloseTo(1, 9);
  });

  it('as JSON is itself a file that says who holds what, from the folder of the configuration', async () => {
    const drawn = await planned('subnetworks.seed=5');
    await writeFile(join(home, 'who.json'), drawn.text);
    const fromFile = join(home, 'fromFile.yaml');
    await writeFile(fromFile, stringify(smallConfig({ subnetworks: { plan: 'who.json', coverage: 1 } })));
    const ended = await sdp(['plan', fromFile, '--json']);
    expect(JSON.parse(ended.stdout)).toMatchObject({ assignment: 'file', coverage: 2, units: drawn.plan.units });
  });

  it('from a file that leaves a unit without holder is refused', async () => {
    const path = join(home, 'who.yaml');
    await writeFile(path, 'units:\n  - { id: layer1.0, holders: [0, 1] }\n');
    expect(await sdp(['plan', config, '--set', `subnetworks.plan=${path}`])).toEqual({
      code: 2,
      stdout: '',
      stderr: `sdp: the plan ${path} leaves the unit layer2.0 without a holder\n`,
    });
    expect(await sdp(['plan', config, '--set', `subnetworks.plan=${path}x`])).toEqual({
      code: 2,
      stdout: '',
      stderr: `sdp: cannot read the plan ${path}x: there is no such file\n`,
    });
  });
});

describe('a limit on the memory of a device', () => {
  const limited = (memory: string) => ['--set', `devices=[{id: cpu:0, memory: ${memory}}]`];
  const wide = ['model.layers=[4,1]', 'model.width=32', 'training.batch=256', 'training.steps=1'].flatMap((set) => [
    '--set',
    set,
  ]);

  it('that the plan meets is reported and no obstacle', async () => {
    const ended = await sdp(['plan', config, ...limited('2GiB')]);
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(ended.stdout).toMatch(/cpu:0 .* 2\.0 GiB +fits\n/);
  });

  it('that it does not meet: plan says what would fit, and each of it does; train refuses, unless forced', async () => {
    const recomputing = await sdp(['plan', config, ...wide, '--set', 'training.recompute=block', '--json']);
    const { devices } = JSON.parse(recomputing.stdout) as Plan;
    const limit = limited(`${devices[0]!.memory.total}B`);
    const plan = await sdp(['plan', config, ...wide, ...limit]);
    expect(plan).toMatchObject({ code: 0, stderr: '' });
    const sentence =
      /It does not fit: (cpu:0 needs .* of memory and has .*; it fits with training\.recompute=block \(.*\))\.\n/.exec(
        plan.stdout,
      )?.[1];
    const changes = [...plan.stdout.matchAll(/^ {2}(\S+=\S+): .* on cpu:0, fits$/gm)].map(([, set]) => set!);
    expect(changes.map((set) => set.split('=')[0])).toEqual(['training.recompute', 'training.accumulation']);
    for (const set of changes) {
      const changed = await sdp(['plan', config, ...wide, ...limit, '--set', set]);
      expect(changed.stdout).not.toContain('does not fit');
    }

    const before = await readdir(join(home, 'runs')).catch(() => []);
    const refused = await sdp(['train', config, ...wide, ...limit]);
    expect(refused).toEqual({ code: 2, stdout: '', stderr: `sdp: ${sentence}\n` });
    expect(await readdir(join(home, 'runs')).catch(() => [])).toEqual(before);
    expect(await sdp(['train', config, ...wide, ...limit, '--force'])).toMatchObject({ code: 0 });
  });

  it('that nothing meets is said so', async () => {
    const { stdout } = await sdp(['plan', config, ...limited('1MiB')]);
    expect(stdout).toMatch(
      /has 1\.0 MiB; with training\.accumulation=8 and training\.recompute=block and subnetworks\.coverage=1 it would still need .* on cpu:0\.\n/,
    );
  });
});

it('a disk that stays full does not end the run before its last step, and the last checkpoint stays whole', async (context) => {
  const mounted = await withSmallDisk('size=5m', async (disk) => {
    await cp(join(home, 'datasets'), join(disk, 'datasets'), { recursive: true });
    const overrides = ['model.width=64', 'training.steps=5', 'checkpoint.every=1'].flatMap((set) => ['--set', set]);
    const ended = await sdp(['train', config, ...overrides, '--json'], disk);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(
      /^sdp: the disk is full: a checkpoint takes .* are free in .*checkpoints while saving; the last checkpoint is of step 1\n$/,
    );
    const [run] = await readdir(join(disk, 'runs'));
    const folder = join(disk, 'runs', run!);
    expect(await readdir(join(folder, 'checkpoints'))).toEqual(['step-00000001']);
    const { summary } = JSON.parse(await readFile(join(folder, 'state.json'), 'utf8')) as { summary: object };
    expect(summary).toMatchObject({ state: 'failed', step: 5 });
    expect(await sdp(['evaluate', run!, '--json'], disk)).toMatchObject({ code: 0, stderr: '' });
  });
  if (!mounted) context.skip('a small file system cannot be mounted here (needs root)');
});
