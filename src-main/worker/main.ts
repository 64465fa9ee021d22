// Entry of a device process, and of the process that tries exported models ("trial"). Serves its contract to the process that started it;
// ends with it.

import { deviceContract, trialContract } from '../contract/contracts.ts';
import type { DeviceEvents } from '../contract/deviceMessages.ts';
import { parentTransport } from '../processes/childProcess.ts';
import { EventHub } from '../transport/events.ts';
import { serve } from '../transport/server.ts';
import { deviceHandlers } from './device.ts';
import { trialHandlers } from './trial.ts';

// Ctrl-C, and what service managers and schedulers send, reach every process; the main process decides when a device ends.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

if (process.argv[2] === 'trial') {
  serve(parentTransport(), trialContract, trialHandlers(), new EventHub());
} else {
  const hub = new EventHub<DeviceEvents>();
  serve(parentTransport(), deviceContract, deviceHandlers(hub), hub);
}
