// Work on a finished run, and imports, disturbed on their way: what was there before stays whole, and what is made anew is what it always was.

import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Chance } from './chance.ts';
import { must, send, type Command } from './command.ts';
import { fill } from './disk.ts';
import type { Disturbances } from './disturbance.ts';
import { mustEnd, type Scene } from './scene.ts';
import { digestOf, digestsOf, fingerprintIn, importedFiles } from './subjects.ts';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const ends = [...signals, 'SIGKILL', 'kill of a device', 'end of its reader', 'two at once', 'stop of main'] as const;
type End = (typeof ends)[number] | 'full disk';

const exported = (how: readonly End[]): Disturbances[string] => ({
  weight: 3,
  async act(scene, chance) {
    const [end, format, before] = [chance.of(how), chance.of(['safetensors', 'onnx'] as const), chance.below(2) === 0];
    scene.say(`export of ${format}, ${end}`);
    const id = await scene.finishedRun();
    const expected = await scene.ground.exported(scene.reference, format);
    const out = join(scene.folder, `export-${scene.commands.length}`);
    const [file] = Object.keys(expected);
    const path = join(out, file!);
    if (before) {
      await mkdir(out);
      await writeFile(path, 'before');
    }
    const start = () => scene.start('export', id, '--format', format, '--out', out, '--json');
    const codes = await disturb(scene, chance, start, end);
    const left = existsSync(path) ? digestOf(await readFile(path)) : undefined;
    const isOld = before && (await readFile(path, 'utf8').catch(() => '')) === 'before';
    const isNew = left === expected[file!];
    must(isNew || (before ? isOld : left === undefined), `${path} is neither what was there nor what was exported`);
    if (codes.includes(0) && end !== 'end of its reader') must(isNew, `the export is done, and ${path} is not there`);
    const others = (await readdir(out).catch(() => [])).filter((name) => !(name in expected));
    if (end !== 'SIGKILL') must(others.length === 0, `${others.join(', ')} in ${out} is left`);
    await mustEnd(start(), 0);
    must(isDeepStrictEqual(await digestsOf(out), expected), `the export in ${out} has other bytes than undisturbed`);
  },
});

const imported = (how: readonly End[]): Disturbances[string] => ({
  weight: 2,
  async act(scene, chance) {
    const end = chance.of(how.filter((name) => name !== 'kill of a device'));
    scene.say(`import, ${end}`);
    const name = `imported-${scene.commands.length}`;
    const start = () => scene.start('import', importedFiles, '--name', name, '--json');
    const expected = await scene.ground.importedFingerprint();
    const codes = await disturb(scene, chance, start, end);
    const folders = await readdir(join(scene.home, 'datasets'));
    const isThere = folders.includes(name);
    if (codes.includes(0)) must(isThere, `the import is done, and ${name} is not there`);
    if (end !== 'SIGKILL') must(!folders.includes(`.partial-${name}`), `.partial-${name} is left`);
    const again = start();
    await mustEnd(again, isThere ? 1 : 0);
    if (!isThere) must(fingerprintIn(again) === expected, 'the import has other bytes than undisturbed');
  },
});

export const disturbedWork: Disturbances = {
  export: exported(ends),
  import: imported(ends),
  'export on a full disk': { ...exported(['full disk']), weight: 1, onSmallDisk: true },
  'import on a full disk': { ...imported(['full disk']), weight: 1, onSmallDisk: true },
  evaluate: {
    weight: 2,
    async act(scene, chance) {
      const end = chance.of(ends);
      scene.say(`evaluate, ${end}`);
      const id = await scene.finishedRun();
      await disturb(scene, chance, () => scene.start('evaluate', id, '--json'), end);
      const again = scene.start('evaluate', id, '--json');
      await mustEnd(again, 0);
      const pick = ({ loss, accuracy }: { loss: number; accuracy: number }) => ({ loss, accuracy });
      const found = pick(again.lines[0] as never);
      const expected = pick(scene.reference.evaluation);
      must(isDeepStrictEqual(found, expected), `evaluated ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`);
    },
  },
  'reader that goes away': {
    weight: 2,
    async act(scene, chance) {
      const [lines, what] = [chance.below(12), chance.of(['train', 'runs', 'datasets', 'plan', 'devices'] as const)];
      scene.say(`${what} --json | head -n ${what === 'train' ? lines : 0}`);
      const command =
        what === 'train' ? await scene.go() : scene.start(what, ...(what === 'plan' ? [scene.config] : []), '--json');
      if (what === 'train') await command.until(() => command.lines.length >= lines);
      command.stopReading();
      const code = await command.ended();
      must(code === 0 && command.stderr === '', `ended with ${code}: ${command.stderr}`);
    },
  },
};

/** Starts a command, and disturbs it at some moment. Returns how all of it ended. */
async function disturb(scene: Scene, chance: Chance, start: () => Command, end: End): Promise<Command['code'][]> {
  const [early, toGroup, moment] = [chance.below(3) === 0, chance.below(2) === 0, chance.below(2000)];
  const commands = [start()];
  const [command] = commands as [Command];
  const begins = command.args[0] === 'import' ? () => hasPartial(scene) : () => command.devices().length > 0;
  if (!early) await command.until(begins);
  await sleep(moment * (early ? 0.2 : 1));
  let empty: (() => Promise<void>) | undefined;
  if (end === 'full disk') empty = await fill(scene, chance.of([0, 4096, 65536]));
  else if (end === 'end of its reader') command.stopReading();
  else if (end === 'two at once') commands.push(start());
  else if (end === 'stop of main') {
    command.signal('SIGSTOP');
    await sleep(moment / 2);
    command.signal('SIGCONT');
  } else if (end === 'kill of a device') {
    const [device] = command.devices();
    if (device !== undefined) send(device, 'SIGKILL');
  } else command.signal(end, toGroup);
  const codes = await Promise.all(commands.map((one) => one.ended()));
  await empty?.();
  // Of two exports or evaluations both are done, of two imports the first.
  const bothDone = end === 'two at once' && command.args[0] !== 'import';
  if (bothDone || end === 'stop of main')
    must(
      codes.every((code) => code === 0),
      `ended with ${codes.join(' and ')}: ${commands.map(({ stderr }) => stderr).join('')}`,
    );
  return codes;
}

const hasPartial = ({ home }: Scene): boolean =>
  readdirSync(join(home, 'datasets')).some((name) => name.startsWith('.partial-'));
