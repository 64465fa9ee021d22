// The GPU kit: is this machine all right, and how fast is it? Runs its sections in order of worth and writes gpu.json and gpu.md as it goes.
//
// Usage: gpu.js run [--device cuda:0|webgpu:0|cpu:0] [--quick] [--only NAME,NAME] [--out FOLDER] [--python PATH] [--within SECONDS] [--list]
// Each section is a process of its own with a time limit: one that fails, hangs or takes the driver with it leaves its reason, and the next one
// starts. Exit code 0: all sections that apply are well; 1: at least one is not; 2: wrong usage.

import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { visible } from '../contract/visible.ts';
import { UserError } from '../contract/errors.ts';
import { findPython } from './python.ts';
import { ReportFiles, type KitReport, type SectionReport } from './report.ts';
import { runSection, serveSection } from './sectionProcess.ts';
import { messageOf, type KitContext, type Section } from './section.ts';
import { sections } from './sections.ts';

/** Root of the checkout, or of the app in the portable folder. */
const root = join(import.meta.dirname, '../..');

const [command, ...rest] = process.argv.slice(2);
if (command === 'section') await serveSection(rest[0] ?? '', sections);
else
  try {
    if (command !== 'run') throw new UserError('usage', 'the command is "run"; "run --list" lists the sections');
    process.exitCode = await runKit(rest);
  } catch (error) {
    const usage = error instanceof UserError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
    console.error(`gpu: ${visible(messageOf(error))}`);
    process.exitCode = usage ? 2 : 1;
  }

async function runKit(args: string[]): Promise<number> {
  const { values: flags } = parseArgs({
    args,
    options: {
      device: { type: 'string', default: 'cuda:0' },
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      out: { type: 'string', default: process.env.OUT ?? 'gpu-results' },
      python: { type: 'string' },
      within: { type: 'string', default: '480' },
      list: { type: 'boolean', default: false },
    },
  });
  if (flags.list) {
    for (const { name, title, limit } of sections) console.log(`${name.padEnd(13)} ${title}, at most ${limit} s`);
    return 0;
  }
  const chosen = chooseSections(flags.only);
  const within = Number(flags.within);
  if (!(within > 0)) throw new UserError('usage', `--within must be a number of seconds, got "${flags.within}"`);
  const out = resolve(flags.out);
  await mkdir(out, { recursive: true });
  const scratch = await mkdtemp(join(tmpdir(), 'sdp-kit-'));
  const context: KitContext = {
    device: readDevice(flags.device),
    quick: flags.quick,
    assets: { cases: assetAt('testdata/cases'), torch: assetAt('bench/step_torch.py') },
    python: await findPython(flags.python),
    scratch,
  };
  try {
    return await runSections(context, chosen, { out, within });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** `within`: seconds for all of it; what has no time left is cut off. */
async function runSections(
  context: KitContext,
  chosen: readonly Section[],
  { out, within }: { out: string; within: number },
): Promise<number> {
  const files = new ReportFiles(out);
  const start = Date.now();
  const since = () => (Date.now() - start) / 1000;
  const report: KitReport = {
    device: context.device.id,
    machine: 'a machine that was not looked at yet',
    date: new Date(start).toISOString(),
    commit: commitOf(root),
    firstFigureSeconds: null,
    seconds: 0,
    sections: [],
  };
  const save = () => {
    report.seconds = since();
    return files.write(report);
  };
  for (const section of chosen) {
    const at = report.sections.length;
    const take = (found: SectionReport) => {
      report.sections[at] = found;
      if (found.name === 'doctor' && found.notes[0]) report.machine = found.notes[0];
      else if (found.tables.some(({ rows }) => rows.length > 0)) report.firstFigureSeconds ??= since();
      void save();
    };
    console.log(`${section.title} ...`);
    const limit = Math.min(section.limit, Math.max(1, within - since()));
    const ended = await runSection({ ...section, limit }, context, take);
    take(ended);
    await save();
    console.log(`  ${ended.state} in ${ended.seconds.toFixed(1)} s${ended.reason ? `: ${visible(ended.reason)}` : ''}`);
  }
  await save();
  console.log(`Results: ${join(out, 'gpu.md')} and gpu.json, after ${since().toFixed(0)} s.`);
  return report.sections.every(({ state }) => state === 'ok' || state === 'skipped') ? 0 : 1;
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

/** Of the checkout, or as the portable folder keeps it. */
function commitOf(folder: string): string {
  const read = (path: string) => readFileSync(join(folder, path), 'utf8').trim();
  try {
    return (JSON.parse(read('portable.json')) as { commit: string }).commit;
  } catch {
    // A checkout.
  }
  try {
    const head = read('.git/HEAD');
    return head.startsWith('ref: ') ? read(`.git/${head.slice(5)}`) : head;
  } catch {
    return 'not known';
  }
}
