// The GPU kit: is this machine all right, and how fast is it? Runs its sections in order of worth and writes gpu.json and gpu.md as it goes.
//
// Usage: gpu.js run [--device cuda:0|webgpu:0|cpu:0] [--quick] [--only NAME,NAME] [--out FOLDER] [--python PATH] [--within SECONDS] [--list]
// Each section is a process of its own with a time limit: one that fails, hangs or takes the driver with it leaves its reason, and the next one
// starts. Exit code 0: all sections that apply are well; 1: at least one is not; 2: wrong usage; ended by a signal: 128 and its number.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { visible } from '../contract/visible.ts';
import { UserError } from '../contract/errors.ts';
import { storageError } from '../files/files.ts';
import { removeStaleStores } from '../records/leftStores.ts';
import { findPython } from './python.ts';
import { ReportFiles, toMarkdown, type KitReport, type SectionReport } from './report.ts';
import { runSection, serveSection } from './sectionProcess.ts';
import { messageOf, type KitContext, type Section } from './section.ts';
import { sections } from './sections.ts';

const usage = `Usage: run [--device cuda:0|webgpu:0|cpu:0] [--quick] [--only NAME,NAME] [--out FOLDER] [--python PATH] [--within SECONDS] [--list]

  --device   what is measured (cuda:0)
  --quick    small models and few steps: whether all works, not how fast
  --only     some of the sections, which --list names
  --out      folder for gpu.json and gpu.md ($OUT, else ./gpu-results)
  --python   a Python that has torch (the first of python3 and python that has it)
  --within   seconds for all of it (480)`;

const noPython = { problem: 'no section needs it' };

/** Root of the checkout, or of the app in the portable folder. */
const root = join(import.meta.dirname, '../..');

const [command, ...rest] = process.argv.slice(2);
if (command === 'section') await serveSection(rest[0] ?? '', sections);
else
  try {
    if (command !== 'run') throw new UserError('usage', 'the command is "run"; "run --help" lists its arguments');
    process.exitCode = await runKit(rest);
  } catch (error) {
    const { code } = error as { code?: string };
    const misused = error instanceof UserError ? code === 'usage' : code?.startsWith('ERR_PARSE_ARGS');
    console.error(`gpu: ${visible(messageOf(error))}`);
    process.exitCode = misused ? 2 : 1;
  }

async function runKit(args: string[]): Promise<number> {
  const { values: flags } = parseArgs({
    args,
    options: {
      device: { type: 'string', default: 'cuda:0' },
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      out: { type: 'string', default: process.env.OUT || 'gpu-results' },
      python: { type: 'string' },
      within: { type: 'string', default: '480' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (flags.help) {
    console.log(usage);
    return 0;
  }
  if (flags.list) {
    for (const { name, title, limit } of sections) console.log(`${name.padEnd(13)} ${title}, at most ${limit} s`);
    return 0;
  }
  const chosen = chooseSections(flags.only);
  const within = Number(flags.within);
  if (!(within > 0)) throw new UserError('usage', `--within must be a number of seconds, got "${flags.within}"`);
  const device = readDevice(flags.device);
  const out = resolve(flags.out);
  await mkdir(out, { recursive: true }).catch((error: unknown) => Promise.reject(storageError(error, out) as Error));
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => stop.abort(name));
  // Whoever reads the lines may go before the end; the results are in the files.
  process.stdout.on('error', () => undefined);
  const scratch = await mkdtemp(join(tmpdir(), 'sdp-kit-'));
  const context: Omit<KitContext, 'python'> = {
    device,
    quick: flags.quick,
    assets: { cases: assetAt('testdata/cases'), torch: assetAt('bench/step_torch.py') },
    scratch,
  };
  try {
    return await runSections(context, chosen, { out, within, python: flags.python, stop: stop.signal });
  } finally {
    await removeStaleStores();
    await rm(scratch, { recursive: true, force: true });
  }
}

interface RunOptions {
  out: string;
  /** Seconds for all of it; what has no time left is cut off. */
  within: number;
  /** The Python that was named. */
  python: string | undefined;
  stop: AbortSignal;
}

async function runSections(
  plain: Omit<KitContext, 'python'>,
  chosen: readonly Section[],
  { out, within, python: named, stop }: RunOptions,
): Promise<number> {
  const files = new ReportFiles(out);
  const start = Date.now();
  const since = () => (Date.now() - start) / 1000;
  const report: KitReport = {
    device: plain.device.id,
    machine: '',
    date: new Date(start).toISOString(),
    commit: commitOf(root),
    firstFigureSeconds: null,
    seconds: 0,
    sections: [],
  };
  const write = () => {
    report.seconds = since();
    return files.write(report);
  };
  let unwritten: unknown;
  const save = () =>
    write().then(
      () => (unwritten = undefined),
      (error: unknown) => (unwritten = error),
    );
  await write();
  // Importing torch takes long; the first sections do without, and it is in memory then. A named one that cannot is told at once.
  const isUsed = named !== undefined || chosen.some(({ usesTorch }) => usesTorch);
  const search = isUsed ? findPython(named, { signal: stop }) : Promise.resolve(noPython);
  if (named !== undefined) await search;
  for (const section of chosen) {
    if (stop.aborted) break;
    const at = report.sections.length;
    const changed = (found: SectionReport) => {
      report.sections[at] = found;
      if (found.name === 'doctor' && found.notes[0]) report.machine = found.notes[0];
      else if (hasFigure(found)) report.firstFigureSeconds ??= since();
      void save();
    };
    console.log(`${section.title} ...`);
    const python = section.usesTorch ? await search : noPython;
    const ended = await runSection(section, { ...plain, python }, { left: within - since(), stop, changed });
    changed(ended);
    await save();
    await removeStaleStores();
    console.log(`  ${ended.state} in ${ended.seconds.toFixed(1)} s${ended.reason ? `: ${visible(ended.reason)}` : ''}`);
  }
  await save();
  if (unwritten === undefined)
    console.log(`Results: ${join(out, 'gpu.md')} and gpu.json, after ${since().toFixed(0)} s.`);
  else console.log(`${toMarkdown(report)}\nThese results are in no file: ${messageOf(unwritten)}.`);
  if (stop.aborted) return 128 + constants.signals[stop.reason as 'SIGINT'];
  const well = report.sections.every(({ state }) => state === 'ok' || state === 'skipped');
  return well && unwritten === undefined ? 0 : 1;
}

function hasFigure({ tables }: SectionReport): boolean {
  return tables.some(({ rows }) => rows.some((row) => row.some((cell) => typeof cell === 'number')));
}

function chooseSections(only: string | undefined): readonly Section[] {
  if (only === undefined) return sections;
  const names = only.split(',');
  const unknown = names.find((name) => !sections.some((section) => section.name === name));
  if (unknown !== undefined)
    throw new UserError(
      'usage',
      `--only: there is no section "${unknown}"; there are ${sections.map(({ name }) => name).join(', ')}`,
    );
  return sections.filter(({ name }) => names.includes(name));
}

function readDevice(id: string): KitContext['device'] {
  const [, kind, index] = /^(cpu|webgpu|cuda):(\d{1,3})$/.exec(id.includes(':') ? id : `${id}:0`) ?? [];
  if (kind === undefined) throw new UserError('usage', `--device must be cuda:N, webgpu:N or cpu:N, got "${id}"`);
  return { id: `${kind}:${index}`, kind: kind as KitContext['device']['kind'], index: Number(index) };
}

/** In the checkout; of a packed kit beside the app's folder. */
function assetAt(path: string): string {
  return [join(root, path), join(root, '..', path)].find(existsSync) ?? join(root, path);
}

/** As the portable folder keeps it, or of the checkout. */
function commitOf(folder: string): string {
  try {
    return (JSON.parse(readFileSync(join(folder, 'portable.json'), 'utf8')) as { commit: string }).commit;
  } catch {
    // A checkout.
  }
  try {
    const git = ['describe', '--always', '--dirty'];
    return execFileSync('git', git, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return 'not known';
  }
}
