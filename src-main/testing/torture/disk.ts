// A full disk, for a while or to the end of a command. The data folder is on a small one then.

import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemCode } from '../../files/files.ts';
import { must } from './command.ts';
import type { Disturbances } from './disturbance.ts';
import { phases, type Scene } from './scene.ts';

const hasBegun = (phase: string) => ['training', 'evaluating', 'saving'].includes(phase);

export const fullDisks: Disturbances = {
  'full disk for a while': {
    weight: 2,
    onSmallDisk: true,
    async act(scene, chance) {
      const [phase, seconds, spareKib] = [chance.of(phases), chance.below(40) / 10, chance.of([0, 0, 4, 64])];
      scene.say(`disk full but for ${spareKib} KiB for ${seconds} s, ${phase}`);
      const command = await scene.go();
      await scene.reach(command, phase, chance);
      const empty = await fill(scene, spareKib * 1024);
      await sleep(seconds * 1000);
      await empty();
      const code = await command.ended();
      if (hasBegun(phase)) must(code === 0, `a run that had begun ended with ${code}: ${command.stderr}`);
      else must(code === 0 || command.stderr.startsWith('sdp: '), `ended with ${code}: ${command.stderr}`);
    },
  },
  'full disk to the end': {
    weight: 2,
    onSmallDisk: true,
    async act(scene, chance) {
      const [phase, spareKib] = [chance.of(phases), chance.of([0, 0, 4, 64])];
      scene.say(`disk full but for ${spareKib} KiB to the end, ${phase}`);
      const command = await scene.go();
      await scene.reach(command, phase, chance);
      const empty = await fill(scene, spareKib * 1024);
      const code = await command.ended();
      await empty();
      const { summary } = command;
      if (summary) scene.notStored.add(summary.id);
      const asExpected = code === 0 ? summary!.state === 'done' : summary?.state !== 'done';
      must(asExpected, `the run is ${summary?.state}, and the exit code is ${code}: ${command.stderr}`);
    },
  },
};

/** Fills the scene's disk, but for some bytes. Returns what makes room again. */
export async function fill(scene: Scene, spareBytes: number): Promise<() => Promise<void>> {
  scene.logMayLack = true;
  const path = join(scene.folder, 'filler');
  const file = await open(path, 'w');
  try {
    for (const chunk of [Buffer.alloc(2 ** 20), Buffer.alloc(4096)])
      for (let isFull = false; !isFull;)
        await file.write(chunk).catch((error: unknown) => {
          if (systemCode(error) !== 'ENOSPC') throw error;
          isFull = true;
        });
    const { size } = await file.stat();
    await file.truncate(Math.max(0, size - spareBytes));
  } finally {
    await file.close();
  }
  return () => rm(path, { force: true });
}
