// What a host (Electron, loopback server, command line) needs of the app: its handlers and its events; and how it serves them to a page.

import type { AppCommands } from '../contract/commands.ts';
import { appContract } from '../contract/contracts.ts';
import type { AppEvents } from '../contract/events.ts';
import type { EventMessage, Handlers } from '../contract/rpc.ts';
import type { RunState } from '../contract/run.ts';
import type { EventHub } from './events.ts';
import { serve } from './server.ts';
import type { Transport } from './transport.ts';

export interface AppHost {
  handlers: Handlers<AppCommands>;
  events: EventHub<AppEvents>;
}

/** While devices other than the CPU train, and while the CPU does: then training takes the cores that draw the page. */
const [usualPauseMs, cpuPauseMs] = [250, 2000];

/** Serves a page, which is told of what goes on steadily at a pace. */
export function servePage(transport: Transport, { handlers, events }: AppHost): void {
  serve(transport, appContract, handlers, events, { pauseMs: steadyPause() });
}

/** A pause for steps and what is measured beside them, and for the summary of a run whose state is as it was. */
function steadyPause(): (event: EventMessage<AppEvents>) => number {
  const states = new Map<string, RunState>();
  let pauseMs = usualPauseMs;
  return ({ name, payload }) => {
    if (name === 'memorySampled') {
      const onCpu = payload.memory.devices.some(({ device }) => device.startsWith('cpu:'));
      pauseMs = onCpu ? cpuPauseMs : usualPauseMs;
    }
    if (name !== 'runChanged')
      return name === 'stepsAppended' || name === 'memorySampled' || name === 'gradientsMeasured' ? pauseMs : 0;
    const { id, state } = payload.summary;
    const before = states.get(id);
    states.set(id, state);
    return state === before ? pauseMs : 0;
  };
}
