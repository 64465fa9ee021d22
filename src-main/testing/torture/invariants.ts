// What holds after each disturbance, whatever it was, and at the end of an event, when every run was trained to its end.

import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { isActive } from '../../contract/run.ts';
import { must, processesOf, type Command } from './command.ts';
import type { Scene } from './scene.ts';
import { outcomeOf } from './subjects.ts';

type Invariant = (scene: Scene) => Promise<void> | void;

/** Name -> check. */
export const afterEach: Record<string, Invariant> = {
  'every command ends as documented': ({ commands }) => commands.forEach(checkEnd),
  'no process outlives': async ({ home }) => {
    for (let tries = 0; tries < 200 && processesOf(home).length > 0; tries++) await sleep(50);
    must(processesOf(home).length === 0, `processes ${processesOf(home).join(', ')} are left`);
  },
  'no store outlives': async ({ commands, temporary }) => {
    const left = await storesOf(commands.filter(({ wasKilled }) => !wasKilled));
    must(left.length === 0, `stores are left: ${left.join(', ')}`);
    const files = await readdir(temporary);
    // The next start removes the socket of a process that was killed.
    const ofKilled = (name: string) =>
      name.startsWith('sdp-lab-control-') && commands.some(({ wasKilled }) => wasKilled);
    const others = files.filter((name) => !ofKilled(name));
    must(others.length === 0, `temporary files are left: ${others.join(', ')}`);
  },
  'no partial file outlives': async ({ home, commands }) => {
    if (commands.some(({ wasKilled }) => wasKilled)) return;
    const left = await partialFiles(home);
    must(left.length === 0, `partial files are left: ${left.join(', ')}`);
  },
  'the state told is the state on disk': async (scene) => {
    const { runs, damaged } = await scene.runs();
    must(damaged === '', `"sdp runs" tells: ${damaged}`);
    for (const run of runs) {
      must(!isActive(run.state), `run ${run.id} is told to be ${run.state} while nobody works on it`);
      const last = scene.commands.findLast(({ summary }) => summary?.id === run.id);
      if (!last || last.wasKilled || last.isUnread || scene.notStored.has(run.id)) continue;
      const pick = ({ state, step, reason }: typeof run) => ({ state, step, reason });
      must(
        isDeepStrictEqual(pick(run), pick(last.summary!)),
        `told was ${JSON.stringify(pick(last.summary!))}, on disk is ${JSON.stringify(pick(run))}`,
      );
      if (run.state !== 'stopped' && run.state !== 'done') continue;
      const checkpoints = await readdir(join(scene.home, 'runs', run.id, 'checkpoints'));
      // One that was stopped while it was planned has none, and begins at 0 again.
      const newest = Number(checkpoints.sort().at(-1)?.slice('step-'.length) ?? 0);
      must(
        newest === run.step,
        `run ${run.id} ${run.state} at step ${run.step}, its newest checkpoint is of ${newest}`,
      );
    }
  },
};

export const atLast: Record<string, Invariant> = {
  'every resumed run is bit-equal': async (scene) => {
    const { home, reference, spoiled, logMayLack } = scene;
    const { runs } = await scene.runs();
    for (const { id, warning } of runs) {
      if (spoiled.has(id)) continue;
      const { checkpoint, losses } = await outcomeOf(join(home, 'runs', id));
      must(isDeepStrictEqual(checkpoint, reference.outcome.checkpoint), `run ${id} has other values than undisturbed`);
      if (logMayLack) continue;
      if (warning.includes('are missing: a device ended')) {
        const odd = losses.find((line) => !reference.outcome.losses.includes(line));
        must(odd === undefined, `run ${id} logged "${odd}", undisturbed it never does`);
        continue;
      }
      const at = losses.findIndex((line, index) => line !== reference.outcome.losses[index]);
      must(at < 0, `run ${id} logged "${losses[at]}", undisturbed it is "${reference.outcome.losses[at]}"`);
      must(
        losses.length === reference.outcome.losses.length,
        `run ${id} logged ${losses.length} steps of ${reference.outcome.losses.length}`,
      );
    }
  },
  'nothing is left': async (scene) => {
    const { home, commands, temporary } = scene;
    const { runs } = await scene.runs();
    const folders = await readdir(join(home, 'runs')).catch(() => []);
    const noRuns = folders.filter((name) => !runs.some(({ id }) => id === name)).map((name) => `runs/${name}`);
    const left = [
      ...noRuns,
      ...(await partialFiles(home)),
      ...(await storesOf(commands)),
      ...(await readdir(temporary)),
    ];
    must(left.length === 0, `these are left: ${left.join(', ')}`);
  },
};

/** 0, 1 and 2 as documented, 128 and the signal where no command listened; an error is one sentence. */
function checkEnd({ args, code, stderr, wasKilled }: Command): void {
  const command = `"sdp ${args.join(' ')}"`;
  if (wasKilled) return;
  const isSignal = ['SIGINT', 'SIGTERM', 'SIGHUP', 129, 130, 143].includes(code!);
  must(isSignal || [0, 1, 2].includes(code as number), `${command} ended with ${code}: ${stderr}`);
  const isBug = /^\s+at .*[:)]\d*|unexpected error|node:internal|Error:|undefined|\[object/m.test(stderr);
  must(!isBug, `${command} wrote: ${stderr}`);
  const errors = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('warning: '));
  must(errors.length <= 1 && errors.every((line) => line.startsWith('sdp: ')), `${command} wrote: ${stderr}`);
}

async function storesOf(commands: Command[]): Promise<string[]> {
  const stores = await Promise.all(['/dev/shm', tmpdir()].map((folder) => readdir(folder).catch(() => [])));
  return stores.flat().filter((name) => commands.some(({ pid }) => name.startsWith(`sdp-lab-${pid}-`)));
}

async function partialFiles(home: string): Promise<string[]> {
  const names = await readdir(home, { recursive: true });
  return names.filter((name) => /\.(partial|replaced|deleted|inspection)-?[^/]*$/.test(name));
}
