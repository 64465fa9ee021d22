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

/** Serves a page, which is told of what goes on steadily at a pace. */
export function servePage(transport: Transport, { handlers, events }: AppHost): void {
  serve(transport, appContract, handlers, events, { isSteady: steadyEvents() });
}

/** Steps and what is measured beside them; the summary of a run whose state is as it was. */
function steadyEvents(): (event: EventMessage<AppEvents>) => boolean {
  const states = new Map<string, RunState>();
  return ({ name, payload }) => {
    if (name !== 'runChanged')
      return name === 'stepsAppended' || name === 'memorySampled' || name === 'gradientsMeasured';
    const { id, state } = payload.summary;
    const before = states.get(id);
    states.set(id, state);
    return state === before;
  };
}
