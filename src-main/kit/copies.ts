// What copies between host and device cost: tensor by tensor, or the store pinned and copied in few large pieces on a stream of its own, of which
// gradients may begin while the backward pass still runs.

import { join } from 'node:path';
import { Engine } from './engine.ts';
import { type KitContext, median, type Section, type SectionLog } from './section.ts';
import { engineOptions } from './steps.ts';
import { subjects } from './subjects.ts';

export const copiesSection: Section = {
  name: 'copies',
  title: 'Copies between host and device',
  limit: 45,
  skip: ({ device }) => (device.kind === 'cpu' ? 'a CPU device works on host memory' : null),
  run: measureCopies,
};

/** The last by a custom operator (graph/ops/copies.ts); other devices than CUDA know the first alone. */
const ways = [
  { title: 'tensor by tensor', copies: 'each', customOps: false },
  { title: 'pinned, in large pieces, on a stream of their own', copies: 'large', customOps: false },
  { title: 'the same, gradients going up as they are finished', copies: 'large', customOps: true },
] as const;

async function measureCopies(context: KitContext, log: SectionLog): Promise<void> {
  const subject = subjects(context.quick).find(({ name }) => name === 'llama')!;
  log.note(`${subject.title}, plain data parallelism. Medians of a step.`);
  const row = log.table('', [
    'copies',
    'step, ms',
    'forward and backward with copies, ms',
    'of it copies, ms',
    'averaging and update, ms',
    'pinned host memory, MiB',
  ]);
  for (const { title, ...options } of context.device.kind === 'cuda' ? ways : ways.slice(0, 1)) {
    const folder = join(context.scratch, `copies-${ways.findIndex((way) => way.title === title)}`);
    const engine = await Engine.open({ ...engineOptions(context, subject, 'ddp', folder), ...options });
    try {
      await engine.steps(3);
      const { computeMs, copyMs, syncMs, dataMs } = await engine.steps(context.quick ? 4 : 12);
      const whole = computeMs.map((ms, i) => ms + syncMs[i]! + dataMs[i]!);
      const { pinnedBytes, refusal } = engine.device.copyReport();
      row([title, median(whole), median(computeMs), median(copyMs), median(syncMs), pinnedBytes / 2 ** 20]);
      if (options.copies === 'large' && refusal) log.note(`Slower than they could be: ${refusal}.`);
    } finally {
      await engine.close();
    }
  }
}
