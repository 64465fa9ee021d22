// Reference cases on the device: worst relative error beside the limit of the CPU, and the same bytes for one, two and four processes on it.

import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { replayCase } from '../replay/replay.ts';
import { replayError } from '../replay/replayErrors.ts';
import { spawnDevice } from '../processes/childProcess.ts';
import { cellText } from './report.ts';
import { type KitContext, messageOf, type Section, type SectionLog } from './section.ts';

const processes = [1, 2, 4] as const;
/** Limit of the largest relative error (README of the cases), and how many cases run at a time. */
const limit = 1e-4;
const atOnce = 4;

export const firstCaseSection: Section = {
  name: 'case',
  title: 'One reference case',
  limit: 45,
  run: (context, log) => replayAll(context, log, ['resnet-ddp'], [1]),
};

export const casesSection: Section = {
  name: 'cases',
  title: 'All reference cases, as one, two and four processes',
  limit: 130,
  run: async (context, log) => {
    const names = (await readdir(context.assets.cases, { withFileTypes: true })).filter((entry) => entry.isDirectory());
    const all = names.map(({ name }) => name).sort();
    const quick = ['resnet-block-forward', 'llama-neuron-forward'];
    await replayAll(context, log, context.quick ? quick : all, context.quick ? [1, 2] : processes);
  },
};

async function replayAll(
  context: KitContext,
  log: SectionLog,
  names: readonly string[],
  counts: readonly number[],
): Promise<void> {
  log.note(`Largest difference of a tensor over its largest value; the limit is ${limit.toExponential(0)}.`);
  const row = log.table('', [
    'case',
    'worst relative error',
    'where',
    ...(counts.length > 1 ? [`bytes equal for ${counts.join(', ')} processes`] : []),
  ]);
  const waiting = [...names];
  let [worst, numWell] = [{ error: 0, name: '' }, 0];
  const work = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const { error, where, equal, problem } = await replay(context, name, counts);
      if (error !== null)
        row([name, error, where, ...(counts.length > 1 ? [equal === null ? null : equal ? 'yes' : 'NO'] : [])]);
      if (problem) log.problem(name, problem);
      else numWell += 1;
      if (error !== null && error >= worst.error) worst = { error, name };
    }
  };
  await Promise.all(Array.from({ length: context.device.kind === 'cuda' ? atOnce : 1 }, work));
  const largest = worst.name ? `; worst relative error ${cellText(worst.error)}, of ${worst.name}` : '';
  const same = counts.length > 1 ? `, with equal bytes for ${counts.join(', ')} processes` : '';
  if (names.length > 1)
    log.headline(
      `${numWell} of ${names.length} reference cases are right to ${limit.toExponential(0)}${same}${largest}.`,
    );
}

async function replay(context: KitContext, name: string, counts: readonly number[]) {
  const caseFolder = join(context.assets.cases, name);
  const digests: string[] = [];
  let worst = { largest: 0, where: '' };
  try {
    for (const numDevices of counts) {
      const out = join(context.scratch, `${name}-${numDevices}`);
      const spawn = spawnDevice(join(import.meta.dirname, 'worker.js'));
      await replayCase({
        caseFolder,
        out,
        numDevices,
        kind: context.device.kind,
        index: context.device.index,
        spawnDevice: spawn,
      });
      const error = await replayError(caseFolder, out);
      if (error && error.largest >= worst.largest) worst = error;
      digests.push(await digest(out));
    }
  } catch (error) {
    return { error: null, where: '', equal: null, problem: messageOf(error) };
  }
  const equal = new Set(digests).size === 1;
  const tooLarge = !(worst.largest <= limit);
  const problem = tooLarge
    ? `relative error ${worst.largest.toExponential(1)} in ${worst.where}, more than ${limit.toExponential(0)}`
    : equal
      ? ''
      : 'bytes differ';
  return { error: worst.largest, where: worst.where, equal, problem };
}

async function digest(folder: string): Promise<string> {
  const hash = createHash('sha256');
  for (const file of ['grad0.safetensors', 'final.safetensors']) hash.update(await readFile(join(folder, file)));
  return hash.digest('hex');
}
