// What a host (Electron, loopback server, command line) needs of the app: its handlers and its events.

import type { AppCommands } from '../contract/commands.ts';
import type { AppEvents } from '../contract/events.ts';
import type { Handlers } from '../contract/rpc.ts';
import type { EventHub } from './events.ts';

export interface AppHost {
  handlers: Handlers<AppCommands>;
  events: EventHub<AppEvents>;
}
