// What a host (Electron, loopback server, command line) needs of the app: its handlers and its events; and how it serves them to a page.

import { availableParallelism } from 'node:os';
import type { AppCommands } from '../contract/commands.ts';
import { appContract } from '../contract/contracts.ts';
import type { AppEvents } from '../contract/events.ts';
import type { EventMessage, Handlers } from '../contract/rpc.ts';
import type { RunState } from '../contract/run.ts';
import type { EventHub } from '../transport/events.ts';
import { serve } from '../transport/server.ts';
import type { Transport } from '../transport/transport.ts';

export interface AppHost {
  handlers: Handlers<AppCommands>;
  events: EventHub<AppEvents>;
}

const [leastPauseMs, mostPauseMs] = [250, 10_000];
/** What showing it takes of a core where no graphics card draws the page (bench/results.md), and the share of all cores that it may take. */
const [shownMs, mostShare] = [20, 0.001];

/** While the CPU trains, since training takes the cores that draw the page; `elapsedMs` of it: at first little time is news. */
export function cpuPauseMs(cores: number, elapsedMs: number): number {
  return Math.max(leastPauseMs, Math.min(mostPauseMs, shownMs / (mostShare * cores), elapsedMs / 10));
}

/** Serves a page, which is told of what goes on steadily at a pace. */
export function servePage(transport: Transport, { handlers, events }: AppHost): void {
  serve(transport, appContract, handlers, events, { pauseMs: steadyPause() });
}

/** A pause for steps and what is measured beside them, and for the summary of a run whose state is as it was. */
function steadyPause(): (event: EventMessage<AppEvents>) => number {
  const states = new Map<string, RunState>();
  let pauseMs = leastPauseMs;
  return ({ name, payload }) => {
    if (name === 'memorySampled') {
      const onCpu = payload.memory.devices.some(({ device }) => device.startsWith('cpu:'));
      pauseMs = onCpu ? cpuPauseMs(availableParallelism(), payload.memory.elapsedMs) : leastPauseMs;
    }
    if (name !== 'runChanged')
      return name === 'stepsAppended' || name === 'memorySampled' || name === 'gradientsMeasured' ? pauseMs : 0;
    const { id, state } = payload.summary;
    const before = states.get(id);
    states.set(id, state);
    return state === before ? pauseMs : 0;
  };
}
