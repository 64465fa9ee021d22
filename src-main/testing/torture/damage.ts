// Damage to files: a flipped bit, a stretch of zeros, an end cut off.

import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Chance } from './chance.ts';
import { must } from './command.ts';
import type { Disturbances } from './disturbance.ts';
import { openPage } from './page.ts';

const ways = ['flipped bit', 'zeros', 'cut'] as const;

const runFiles = [
  'state.json',
  'config.yaml',
  'trained.json',
  'plan.json',
  'gradients.json',
  'metrics.jsonl',
  'log.txt',
  'exports.jsonl',
] as const;

export const damages: Disturbances = {
  'damaged checkpoint': {
    weight: 3,
    async act(scene, chance) {
      const [all, file] = [
        chance.below(3) === 0,
        chance.of(['values.safetensors', 'optimizer.safetensors', 'manifest.json']),
      ];
      const each = [chance.fork(), chance.fork(), chance.fork()];
      const id = await scene.stoppedRun(chance);
      const folder = join(scene.home, 'runs', id, 'checkpoints');
      const newestFirst = (await readdir(folder)).sort().reverse();
      const damaged = all ? newestFirst : newestFirst.slice(0, 1);
      const told: string[] = [];
      for (const [index, name] of damaged.entries())
        told.push((await harm(join(folder, name, file), each[index]!)).what);
      scene.say(`${told.join(', ')} in ${file} of ${all ? 'every checkpoint' : 'the newest checkpoint'}`);
      const command = scene.start('resume', id, '--json');
      const code = await command.ended();
      if (damaged.length < newestFirst.length) {
        must(code === 0, `resume ended with ${code}: ${command.stderr}`);
        const { warning } = command.summary!;
        must(warning.includes('the run continues from step'), `no word of the damaged checkpoint: "${warning}"`);
        return;
      }
      const names = damaged.every((name) => command.stderr.includes(name));
      must(code === 1 && names, `resume of damaged checkpoints ended with ${code}: ${command.stderr}`);
      const restarted = scene.start('resume', id, '--checkpoint', '0', '--json');
      must((await restarted.ended()) === 0, `the restart ended with ${restarted.code}: ${restarted.stderr}`);
    },
  },
  'damaged file of a run': {
    weight: 3,
    async act(scene, chance) {
      const name = chance.of(runFiles);
      const id = await scene.stoppedRun(chance);
      const path = join(scene.home, 'runs', id, name);
      const harmed = await harm(path, chance).catch(() => undefined);
      scene.say(`${harmed?.what ?? 'nothing'} in ${name}`);
      if (!harmed) return;
      if (name === 'metrics.jsonl') scene.logMayLack = true;
      const listed = scene.start('runs');
      must((await listed.ended()) === 0, `"sdp runs" ended with ${listed.code}: ${listed.stderr}`);
      const command = scene.start('resume', id, '--json');
      // What cannot be read, or changes results, is refused; then it is mended, as the message says.
      if ((await command.ended()) !== 0) await harmed.mend();
    },
  },
  'damaged dataset': {
    weight: 2,
    async act(scene, chance) {
      const { dataset } = scene.reference.config.data;
      const folder = join(scene.home, 'datasets', dataset);
      const { files } = JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')) as {
        files: { path: string }[];
      };
      const file = chance.of(['manifest.json', ...files.map(({ path }) => path)]);
      const id = await scene.stoppedRun(chance);
      const harmed = await harm(join(folder, file), chance);
      scene.say(`${harmed.what} in ${file} of the dataset`);
      const command = scene.start('resume', id, '--json');
      const code = await command.ended();
      const isTold = code !== 0 || file === 'manifest.json' || command.summary!.warning.includes('has changed since');
      must(isTold, `the run went on with other samples and no word: "${command.summary?.warning}"`);
      if (command.summary) scene.spoiled.add(id);
      await harmed.mend();
    },
  },
  'damaged settings': {
    weight: 1,
    async act(scene, chance) {
      const path = join(scene.home, 'settings.json');
      await writeFile(path, '{"theme":"dark"}');
      scene.say(`${(await harm(path, chance)).what} in settings.json`);
      const page = await openPage(scene);
      const { settings } = await page.client.call.snapshot({});
      await page.client.call.saveSettings(settings);
      await page.end('SIGTERM');
    },
  },
};

/** Damages a file, by the first ways at random that change it. Returns what was done, and what takes it back. */
async function harm(path: string, chance: Chance): Promise<{ what: string; mend: () => Promise<void> }> {
  const before = await readFile(path);
  if (before.length === 0) throw new Error(`${path} is empty`);
  for (;;) {
    const what = chance.of(ways);
    const [at, length] = [chance.below(before.length), 1 + chance.below(4096)];
    const bytes = Buffer.from(what === 'cut' ? before.subarray(0, at) : before);
    if (what === 'flipped bit') bytes[at]! ^= 1 << chance.below(8);
    if (what === 'zeros') bytes.fill(0, at, Math.min(at + length, bytes.length));
    if (bytes.equals(before)) continue;
    await writeFile(path, bytes);
    return { what: `${what} at ${at}`, mend: () => writeFile(path, before) };
  }
}
