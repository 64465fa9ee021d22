// The app as a page: pages that go away and come back, buttons pressed as fast as they come, a server that is ended.

import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../../contract/errors.ts';
import { isActive } from '../../contract/run.ts';
import { limitMs, must, send } from './command.ts';
import type { Disturbances } from './disturbance.ts';
import { openPage, type Page } from './page.ts';
import { phases, type Scene } from './scene.ts';
import { importedFiles } from './subjects.ts';

const buttons = ['pauseRun', 'resumeRun', 'checkpointRun', 'getRun', 'runLog', 'stopRun'] as const;

export const servedDisturbances: Disturbances = {
  'page that goes away': {
    weight: 2,
    async act(scene, chance) {
      const [times, delays] = [1 + chance.below(3), chance.fork()];
      scene.say(`page goes away ${times} times`);
      let page = await openPage(scene);
      const runId = await begin(scene, page);
      for (let time = 0; time < times; time++) {
        await sleep(delays.below(800));
        page.client.call.getRun({ runId }).catch(() => undefined);
        page.leave();
        await sleep(delays.below(300));
        page = await page.another();
        const { runs } = await page.client.call.snapshot({});
        must(
          runs.some(({ id }) => id === runId),
          `the page that comes back is not told of run ${runId}`,
        );
      }
      await endOf(page, runId);
      await page.end('SIGTERM');
    },
  },
  buttons: {
    weight: 3,
    async act(scene, chance) {
      const pressed = Array.from(
        { length: 3 + chance.below(8) },
        () => [chance.of(buttons), chance.below(200)] as const,
      );
      scene.say(`pressed ${pressed.map(([button]) => button.replace('Run', '')).join(', ')}`);
      const page = await openPage(scene);
      const runId = await begin(scene, page);
      const calls = [];
      for (const [button, delay] of pressed) {
        await sleep(delay);
        calls.push(page.client.call[button]({ runId }).catch(mustBeRefusal));
      }
      // What was pressed last may have been to pause it.
      const going = setInterval(() => {
        if (page.server.summary?.state === 'paused') page.client.call.resumeRun({ runId }).catch(() => undefined);
      }, 500);
      await Promise.all(calls);
      await endOf(page, runId);
      clearInterval(going);
      await page.end('SIGINT');
    },
  },
  'end of a server': {
    weight: 3,
    async act(scene, chance) {
      const how = chance.of(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGKILL'] as const);
      const [toGroup, phase, paused] = [chance.below(2) === 0, chance.of(phases.slice(1)), chance.below(4) === 0];
      scene.say(`server ended by ${how} to the ${toGroup ? 'group' : 'process'}, ${paused ? 'paused' : phase}`);
      const page = await openPage(scene);
      const runId = await begin(scene, page);
      if (paused) await page.client.call.pauseRun({ runId }).catch(mustBeRefusal);
      else await scene.reach(page.server, phase, chance, () => !isActive(page.server.summary?.state ?? 'preparing'));
      page.server.signal(how, toGroup);
      const code = await page.server.ended();
      must(code === (how === 'SIGKILL' ? how : 0), `"sdp serve" ended with ${code}: ${page.server.stderr}`);
      const state = (await scene.stored(runId))?.state;
      if (how !== 'SIGKILL') must(state === 'stopped' || state === 'done', `run ${runId} is ${state}`);
    },
  },
  'import of a page': {
    weight: 1,
    async act(scene, chance) {
      const [how, moment] = [
        chance.of(['cancelled', 'page goes away', 'server ended', 'let be'] as const),
        chance.below(600),
      ];
      scene.say(`import of a page, ${how}`);
      const expected = await scene.ground.importedFingerprint();
      const page = await openPage(scene);
      const name = `sent-${scene.commands.length}`;
      const { importId } = await page.client.call.startImport({ paths: [importedFiles], name, options: {} });
      const stateOf = async ({ client }: Page) =>
        (await client.call.snapshot({})).imports.find(({ id }) => id === importId);
      await sleep(moment);
      let last = page;
      if (how === 'cancelled') await page.client.call.cancelImport({ importId });
      if (how === 'page goes away') {
        page.leave();
        last = await page.another();
      }
      if (how !== 'server ended') while ((await stateOf(last))!.state === 'running') await sleep(100);
      const told = how === 'server ended' ? undefined : (await stateOf(last))!.state;
      await last.end('SIGTERM');
      const { datasets } = await scene.datasets();
      const found = datasets.find((dataset) => dataset.name === name);
      must(!found || found.fingerprint === expected, `${name} has other bytes than undisturbed`);
      must(
        !told || (told === 'done') === (found !== undefined),
        `the import is ${told}, and ${name} is ${found ? '' : 'not '}there`,
      );
      if (how === 'page goes away' || how === 'let be') must(told === 'done', `the import is ${told}`);
    },
  },
  'kill of a device of a server': {
    weight: 2,
    async act(scene, chance) {
      const [phase, paused] = [chance.of(phases.slice(1)), chance.below(3) === 0];
      scene.say(`device of a server killed, ${paused ? 'paused' : phase}`);
      const page = await openPage(scene);
      const runId = await begin(scene, page);
      if (paused) await page.client.call.pauseRun({ runId }).catch(mustBeRefusal);
      else await scene.reach(page.server, phase, chance, () => !isActive(page.server.summary?.state ?? 'preparing'));
      const device = page.server.devices()[0];
      if (device !== undefined) send(device, 'SIGKILL');
      // Others may have taken over, and the run stands still as before.
      if (paused) await page.client.call.resumeRun({ runId }).catch(mustBeRefusal);
      await endOf(page, runId);
      await page.end('SIGTERM');
    },
  },
};

/** Starts a run, or goes on with one that has not ended, by a page; its id. */
async function begin(scene: Scene, { client }: Page): Promise<string> {
  const unfinished = (await scene.states()).find(({ state }) => state !== 'done');
  if (!unfinished) return (await client.call.startRun({ config: scene.reference.config })).runId;
  await client.call.resumeRun({ runId: unfinished.id });
  return unfinished.id;
}

/** Waits until a run is no longer active. */
async function endOf({ client, server }: Page, runId: string): Promise<void> {
  const isOver = async () => !isActive((await client.call.getRun({ runId })).summary.state);
  for (const end = Date.now() + limitMs; !(await isOver()); await sleep(200))
    must(Date.now() < end, `run ${runId} of a server stands still, ${server.summary?.state}`);
}

/** A button that does not fit the state says so. */
function mustBeRefusal(error: unknown): void {
  const isRefusal = error instanceof UserError && ['conflict', 'device', 'checkpoint'].includes(error.code);
  must(isRefusal, `a button was answered by ${String(error)}`);
}
