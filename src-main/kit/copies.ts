// What copies between host and device cost: the store pinned and copied in few large pieces on a stream of its own, or tensor by tensor.

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
  const ways = context.device.kind === 'cuda' ? (['large', 'each'] as const) : (['each'] as const);
  for (const copies of ways) {
    const folder = join(context.scratch, `copies-${copies}`);
    const engine = await Engine.open({ ...engineOptions(context, subject, 'ddp', folder), copies });
    try {
      await engine.steps(3);
      const { computeMs, copyMs, syncMs, dataMs } = await engine.steps(context.quick ? 4 : 12);
      const whole = computeMs.map((ms, i) => ms + syncMs[i]! + dataMs[i]!);
      const title = copies === 'large' ? 'pinned, in large pieces, on a stream of their own' : 'tensor by tensor';
      const { pinnedBytes, refusal } = engine.device.copyReport();
      row([title, median(whole), median(computeMs), median(copyMs), median(syncMs), pinnedBytes / 2 ** 20]);
      if (copies === 'large' && refusal) log.note(`Slower than they could be: ${refusal}.`);
    } finally {
      engine.close();
    }
  }
}
