// Two of everything at once: runs start, are resumed, evaluated and exported side by side, and one at a time trains.

import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../../contract/errors.ts';
import type { Chance } from './chance.ts';
import { must, type Command } from './command.ts';
import type { Disturbances } from './disturbance.ts';
import { openPage } from './page.ts';
import type { Scene } from './scene.ts';

export const twice: Disturbances = {
  'starts at once': {
    weight: 2,
    async act(scene, chance) {
      const count = 2 + chance.below(3);
      scene.say(`${count} starts at once`);
      await atOnce(scene, chance, count, () => scene.train(), /^sdp: (run \S+ is active|another run is being started)/);
    },
  },
  'resumes at once': {
    weight: 2,
    async act(scene, chance) {
      const count = 2 + chance.below(2);
      scene.say(`${count} resumes at once`);
      const id = await scene.stoppedRun(chance);
      const refused = /^sdp: (run \S+ is (active|done)|another run is being started|another process)/;
      await atOnce(scene, chance, count, () => scene.start('resume', id, '--json'), refused);
    },
  },
  'apps at once': {
    weight: 2,
    async act(scene, chance) {
      scene.say('two servers start a run at once');
      const pages = await Promise.all([openPage(scene), openPage(scene)]);
      const { config } = scene.reference;
      const delay = chance.below(100);
      const started = await Promise.all(
        pages.map(async ({ client }, index) => {
          await sleep(index * delay);
          return await client.call.startRun({ config }).catch((error: unknown) => error);
        }),
      );
      const refused = started.filter((result) => result instanceof UserError && result.code === 'conflict');
      must(
        refused.length <= 1 && started.length - refused.length === 1,
        `answers were ${started.map(String).join('; ')}`,
      );
      await sleep(chance.below(1000));
      await Promise.all(pages.map((page) => page.end('SIGTERM')));
      await mustNotOverlap(scene);
    },
  },
  'work on an active run': {
    weight: 2,
    async act(scene, chance) {
      const work = chance.of(['evaluate', 'export', 'resume', 'runs'] as const);
      const written = 1 + chance.below(3);
      scene.say(`${work} of an active run`);
      const command = await scene.go();
      await command.until(() => command.count('checkpointWritten') >= written);
      const { id } = command.summary!;
      const out = ['--format', 'safetensors', '--out', join(scene.folder, `active-${scene.commands.length}`)];
      const other = scene.start(
        ...[[work], work === 'runs' ? [] : [id], work === 'export' ? out : [], ['--json']].flat(),
      );
      const code = await other.ended();
      if (work === 'resume') must(code === 1 || command.isOver, `the resume of an active run ended with ${code}`);
      else must(code === 0, `"sdp ${work}" of an active run ended with ${code}: ${other.stderr}`);
      must((await command.ended()) === 0, `the run beside ${work} ended with ${command.code}: ${command.stderr}`);
    },
  },
};

async function atOnce(
  scene: Scene,
  chance: Chance,
  count: number,
  start: () => Command,
  refused: RegExp,
): Promise<void> {
  const commands: Command[] = [];
  for (let index = 0; index < count; index++) {
    commands.push(start());
    await sleep(chance.below(2) * chance.below(300));
  }
  const codes = await Promise.all(commands.map((command) => command.ended()));
  must(codes.includes(0), `none was done: ${commands.map(({ stderr }) => stderr).join('')}`);
  for (const { code, stderr } of commands)
    must(code === 0 || (code === 1 && refused.test(stderr)), `one of ${count} at once ended with ${code}: ${stderr}`);
  await mustNotOverlap(scene);
}

/** By the logs of the runs: one at a time was at work. */
async function mustNotOverlap(scene: Scene): Promise<void> {
  const ids = await readdir(join(scene.home, 'runs'));
  const stretches = (await Promise.all(ids.map((id) => stretchesOf(join(scene.home, 'runs', id, 'log.txt'))))).flat();
  stretches.sort((a, b) => a.from.localeCompare(b.from));
  for (const [index, { from }] of stretches.entries()) {
    const before = stretches[index - 1];
    must(!before || before.to <= from, `one run began at ${from}, while another was at work until ${before?.to}`);
  }
}

/** From `preparing` to the end of each start of a run; of one that was killed, to its last line. */
async function stretchesOf(log: string): Promise<{ from: string; to: string }[]> {
  const lines = (await readFile(log, 'utf8')).trimEnd().split('\n');
  const stretches: { from: string; to: string }[] = [];
  for (const line of lines) {
    const [time, state] = line.split(' ');
    if (state === 'preparing') stretches.push({ from: time!, to: time! });
    else if (stretches.length > 0 && /^(training|evaluating|saving|paused|stopped|done|failed)/.test(state!))
      stretches.at(-1)!.to = time!;
  }
  return stretches;
}
