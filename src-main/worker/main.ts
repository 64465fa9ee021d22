// Entry of a device process. Serves the device contract to the process that started it; ends with it.

import { deviceContract } from '../contract/contracts.ts';
import type { DeviceEvents } from '../contract/deviceMessages.ts';
import { parentTransport } from '../transport/childProcess.ts';
import { EventHub } from '../transport/events.ts';
import { serve } from '../transport/server.ts';
import { deviceHandlers } from './device.ts';

// Ctrl-C in a terminal reaches the whole process group; the main process decides when a device ends.
process.on('SIGINT', () => undefined);

const hub = new EventHub<DeviceEvents>();
serve(parentTransport(), deviceContract, deviceHandlers(hub), hub);
