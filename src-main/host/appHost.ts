// What a host (Electron, loopback server, command line) needs of the app: its handlers and its events; and how it serves them to a page.

import type { AppCommands } from '../contract/commands.ts';
import { appContract } from '../contract/contracts.ts';
import type { AppEvents } from '../contract/events.ts';
import type { EventMessage, Handlers } from '../contract/rpc.ts';
import { noLoss } from '../contract/run.ts';
import type { EventHub } from '../transport/events.ts';
import { serve } from '../transport/server.ts';
import type { Transport } from '../transport/transport.ts';

/** All but what concerns one page alone. */
export type AppHandlers = Omit<Handlers<AppCommands>, 'setVisible'>;

export interface AppHost {
  handlers: AppHandlers;
  events: EventHub<AppEvents>;
}

/**
 * Serves a page. It counts as visible until it says that it is hidden, and is sent no periodic events while it is. `reportBug` gets unexpected
 * exceptions and returns what the page is told.
 */
export function servePage(
  transport: Transport,
  { handlers, events }: AppHost,
  reportBug: (error: unknown) => string,
): void {
  let visible = true;
  const setVisible: Handlers<AppCommands>['setVisible'] = (params) => {
    visible = params.visible;
    return { sequence: events.sequence };
  };
  const isPeriodic = createIsPeriodic();
  serve(transport, appContract, { ...handlers, setVisible }, events, {
    timing: (event) => (!isPeriodic(event) ? 'at once' : visible ? 'periodic' : 'never'),
    reportBug,
  });
}

/** Whether an event tells only of progress: steps, memory, gradients, how far a run or an import is. To be given every event, in order. */
function createIsPeriodic(): (event: EventMessage<AppEvents>) => boolean {
  const known = new Map<string, string>();
  const isSame = (id: string, facts: string): boolean => {
    const before = known.get(id);
    known.set(id, facts);
    return facts === before;
  };
  return ({ name, payload }) => {
    switch (name) {
      case 'stepsAppended':
      case 'memorySampled':
      case 'gradientsMeasured':
        return true;
      case 'runChanged':
        return isSame(payload.summary.id, JSON.stringify({ ...payload.summary, step: 0, curve: noLoss }));
      case 'importChanged':
        return isSame(payload.import.id, payload.import.state);
      default:
        return false;
    }
  };
}
