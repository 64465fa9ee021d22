// What is done to runs, commands and files, each with how often it is picked.

import { setTimeout as sleep } from 'node:timers/promises';
import { must, send, type Command } from './command.ts';
import { damages } from './damage.ts';
import type { Disturbances } from './disturbance.ts';
import { fullDisks } from './disk.ts';
import { phases } from './scene.ts';
import { servedDisturbances } from './served.ts';
import { twice } from './twice.ts';
import { disturbedWork } from './work.ts';

const ofRuns: Disturbances = {
  signal: {
    weight: 6,
    async act(scene, chance) {
      const signal = chance.of(['SIGINT', 'SIGTERM', 'SIGHUP'] as const);
      const [phase, toGroup] = [chance.of(phases), chance.below(2) === 0];
      scene.say(`${signal} to the ${toGroup ? 'group' : 'process'}, ${phase}`);
      const command = await scene.go();
      await scene.reach(command, phase, chance);
      command.signal(signal, toGroup);
      await endedInOrder(command);
    },
  },
  'kill of a device': {
    weight: 3,
    async act(scene, chance) {
      const [phase, which] = [chance.of(phases.slice(1)), chance.below(3)];
      scene.say(`device killed, ${phase}`);
      const command = await scene.go();
      await scene.reach(command, phase, chance);
      const devices = command.devices();
      const killed = devices[which % devices.length];
      if (killed !== undefined) send(killed, 'SIGKILL');
      await command.ended();
      const { state, reason } = command.summary!;
      // The others take over from it, where there are others.
      const mayFail = scene.reference.config.devices.length === 1;
      const asExpected =
        state === 'done'
          ? command.code === 0
          : mayFail && state === 'failed' && reason.includes(`(process ${killed}) ended`);
      must(asExpected, `the run is ${state} (${reason}), exit code ${command.code}`);
      if (state === 'failed') must(command.stderr === `sdp: ${reason}\n`, `told was: ${command.stderr}`);
    },
  },
  'kill of main': {
    weight: 3,
    async act(scene, chance) {
      const [phase, toGroup] = [chance.of(phases), chance.below(3) === 0];
      scene.say(`${toGroup ? 'all' : 'main'} killed, ${phase}`);
      const command = await scene.go();
      await scene.reach(command, phase, chance);
      command.signal('SIGKILL', toGroup);
      await command.ended();
    },
  },
  'device that hangs': {
    weight: 1,
    async act(scene, chance) {
      const signal = chance.of(['SIGINT', 'SIGTERM'] as const);
      const [phase, toGroup, moments] = [chance.of(phases.slice(2)), chance.below(2) === 0, chance.below(1000)];
      scene.say(`a device hangs, ${phase}; ${signal} to the ${toGroup ? 'group' : 'process'}`);
      const command = await scene.go();
      await scene.reach(command, phase, chance);
      const [device] = command.devices();
      if (device !== undefined) send(device, 'SIGSTOP');
      await sleep(moments);
      command.signal(signal, toGroup);
      const code = await command.ended();
      const { state, reason } = command.summary!;
      must(state !== 'failed' && code === 0, `the run is ${state} (${reason}), exit code ${code}`);
    },
  },
  pause: {
    weight: 3,
    async act(scene, chance) {
      const [phase, who, seconds] = [chance.of(phases), chance.of(['main', 'a device', 'all']), chance.below(30) / 10];
      scene.say(`${who} stopped for ${seconds} s, ${phase}`);
      const command = await scene.go();
      await scene.reach(command, phase, chance);
      const pid = { main: command.pid, all: -command.pid }[who] ?? command.devices()[0];
      if (pid !== undefined && !command.isOver) {
        send(pid, 'SIGSTOP');
        await sleep(seconds * 1000);
        send(pid, 'SIGCONT');
      }
      must((await command.ended()) === 0, `ended with ${command.code}: ${command.stderr}`);
    },
  },
};

export const disturbances: Disturbances = {
  ...ofRuns,
  ...disturbedWork,
  ...twice,
  ...servedDisturbances,
  ...damages,
  ...fullDisks,
};

/** Stopped with a checkpoint, or done; where the run had not begun, there is nothing to end in order. */
async function endedInOrder(command: Command): Promise<void> {
  const code = await command.ended();
  if (!command.summary)
    return must(code !== 0 && code !== 2, `ended with ${code}, and no run begun: ${command.stderr}`);
  const { state, reason } = command.summary;
  must(state === 'stopped' || state === 'done', `the run is ${state}: ${reason}`);
  must(code === 0, `the run is ${state}, and the exit code is ${code}: ${command.stderr}`);
}
