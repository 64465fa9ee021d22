// WebGPU on the card's Vulkan driver: a reference case and the step of each model, beside what CUDA gave.

import { firstCaseSection } from './cases.ts';
import { Engine } from './engine.ts';
import { join } from 'node:path';
import { type KitContext, median, type Section, type SectionLog } from './section.ts';
import { engineOptions } from './steps.ts';
import { subjects } from './subjects.ts';

export const vulkanSection: Section = {
  name: 'webgpu',
  title: 'WebGPU on the Vulkan driver of the card',
  limit: 60,
  skip: ({ device }) => (device.kind === 'cuda' ? null : 'the kit runs on another device than a card'),
  run: measureWebGpu,
};

async function measureWebGpu(context: KitContext, log: SectionLog): Promise<void> {
  const onWebGpu: KitContext = {
    ...context,
    device: { id: 'webgpu:0', kind: 'webgpu', index: 0 },
    scratch: join(context.scratch, 'webgpu'),
  };
  await firstCaseSection.run(onWebGpu, log);
  const row = log.table('Plain data parallelism', ['model', 'ms of a step', 'of it copies']);
  for (const subject of subjects(context.quick)) {
    const engine = await Engine.open(engineOptions(onWebGpu, subject, 'ddp', join(onWebGpu.scratch, subject.name)));
    try {
      await engine.steps(2);
      const { computeMs, copyMs, syncMs, dataMs } = await engine.steps(4);
      row([subject.title, median(computeMs.map((ms, i) => ms + syncMs[i]! + dataMs[i]!)), median(copyMs)]);
    } finally {
      await engine.close();
    }
  }
}
