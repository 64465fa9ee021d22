// The contracts whole: the app's, and those of the processes that train, try models, and export. A change of messages changes the version.

import { appCommands } from './commands.ts';
import { deviceCommands, deviceEvents } from './deviceMessages.ts';
import { appEvents } from './events.ts';
import { exportCommands } from './exportMessages.ts';
import { playgroundCommands } from './playgroundMessages.ts';

export const appContract = { commands: appCommands, events: appEvents, version: 'sdp-app 8' } as const;
export const deviceContract = { commands: deviceCommands, events: deviceEvents, version: 'sdp-device 2' } as const;
export const playgroundContract = { commands: playgroundCommands, events: {}, version: 'sdp-playground 1' } as const;
export const exportContract = { commands: exportCommands, events: {}, version: 'sdp-export 1' } as const;
