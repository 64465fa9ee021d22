// The contracts whole: the app's, that of a device process, and that of the process that tries models. A change of messages changes the version.

import { appCommands } from './commands.ts';
import { deviceCommands, deviceEvents } from './deviceMessages.ts';
import { appEvents } from './events.ts';
import { trialCommands } from './trialMessages.ts';

export const appContract = { commands: appCommands, events: appEvents, version: 'sdp-app 8' } as const;
export const deviceContract = { commands: deviceCommands, events: deviceEvents, version: 'sdp-device 1' } as const;
export const trialContract = { commands: trialCommands, events: {}, version: 'sdp-trial 1' } as const;
