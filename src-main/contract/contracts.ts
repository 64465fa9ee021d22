// The app's contract whole, which the page has as well. Those of the processes stand with their messages. A change of messages changes the version.

import { appCommands } from './commands.ts';
import { appEvents } from './events.ts';

export const appContract = { commands: appCommands, events: appEvents, version: 'sdp-app 11' } as const;
