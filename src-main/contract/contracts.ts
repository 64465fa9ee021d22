// The two contracts whole: the app's, and that of a device process. A change of either's messages changes its version.

import { appCommands } from './commands.ts';
import { deviceCommands, deviceEvents } from './deviceMessages.ts';
import { appEvents } from './events.ts';

export const appContract = { commands: appCommands, events: appEvents, version: 'sdp-app 2' } as const;
export const deviceContract = { commands: deviceCommands, events: deviceEvents, version: 'sdp-device 1' } as const;
