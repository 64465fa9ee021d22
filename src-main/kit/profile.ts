// The runtime's own profile of a training step: the node types that take the most time. Kernels are launched one at a time, since the
// runtime's clock would otherwise see when a kernel is handed to the card and not how long it runs; so shares count, not sums.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Engine } from './engine.ts';
import { type KitContext, type Section, type SectionLog } from './section.ts';
import { engineOptions } from './steps.ts';
import { regimes, subjects } from './subjects.ts';

const mostTypes = 15;
const warmUps = 2;

export const profileSection: Section = {
  name: 'profile',
  title: 'Where the time of a step goes, by the runtime',
  limit: 75,
  env: { CUDA_LAUNCH_BLOCKING: '1' },
  run: measureProfiles,
};

async function measureProfiles(context: KitContext, log: SectionLog): Promise<void> {
  for (const subject of subjects(context.quick)) {
    for (const regime of regimes) {
      const folder = join(context.scratch, `profile-${subject.name}-${regime}`);
      try {
        const types = await profile(context, subject, regime, folder);
        const total = types.reduce((sum, { ms }) => sum + ms, 0);
        const row = log.table(`${subject.title}, ${regime}: ${total.toFixed(1)} ms in nodes`, [
          'node type',
          'nodes',
          'ms of a step',
          'share',
        ]);
        for (const { type, nodes, ms } of types.slice(0, mostTypes))
          row([type, nodes, ms, `${((100 * ms) / total).toFixed(1)} %`]);
      } catch (error) {
        log.problem(`${subject.title}, ${regime}`, error);
      }
    }
  }
}

interface NodeType {
  type: string;
  nodes: number;
  ms: number;
}

async function profile(
  context: KitContext,
  subject: ReturnType<typeof subjects>[number],
  regime: (typeof regimes)[number],
  folder: string,
): Promise<NodeType[]> {
  const engine = await Engine.open({
    ...engineOptions(context, subject, regime, folder),
    profile: join(folder, 'profile'),
  });
  try {
    const steps = context.quick ? 1 : 4;
    await engine.steps(warmUps);
    await engine.steps(steps);
    const files = await engine.device.endProfiles();
    const events = (await Promise.all(files.map(readEvents))).flat();
    return byType(events, warmUps + steps, warmUps);
  } finally {
    await engine.close();
  }
}

/** What is read of an entry of the runtime's profile; times in microseconds. */
interface ProfileEvent {
  cat?: string;
  name: string;
  dur?: number;
  args?: { op_name?: string; node_index?: string };
}

async function readEvents(path: string): Promise<ProfileEvent[]> {
  return JSON.parse(await readFile(path, 'utf8')) as ProfileEvent[];
}

/** Nodes and milliseconds of a step by type, most first; the first `skipped` of `runs` runs of each node are left out. */
export function byType(events: readonly ProfileEvent[], runs: number, skipped: number): NodeType[] {
  const seen = new Map<string, number>();
  const types = new Map<string, NodeType>();
  for (const { cat, name, dur = 0, args } of events) {
    if (cat !== 'Node' || !name.endsWith('_kernel_time') || args?.op_name === undefined) continue;
    const run = seen.get(name) ?? 0;
    seen.set(name, run + 1);
    const found = types.get(args.op_name) ?? { type: args.op_name, nodes: 0, ms: 0 };
    types.set(args.op_name, found);
    if (run === 0) found.nodes += 1;
    if (run >= skipped) found.ms += dur / 1000 / (runs - skipped);
  }
  return [...types.values()].sort((a, b) => b.ms - a.ms);
}
