// Entry of a device process, of the process that tries exported models ("playground"), and of that which makes and checks an export ("export").
// Serves its contract to the process that started it; ends with it.

import { deviceContract, type DeviceEvents } from '../contract/deviceMessages.ts';
import { exportContract } from '../contract/exportMessages.ts';
import { playgroundContract } from '../contract/playgroundMessages.ts';
import { endAtBug, openLog, reportBug } from '../log/log.ts';
import { parentTransport } from '../processes/childProcess.ts';
import { EventHub } from '../transport/events.ts';
import { serve } from '../transport/server.ts';
import { deviceHandlers } from './device.ts';
import { playgroundHandlers } from './playground.ts';

// Ctrl-C, and what service managers and schedulers send, reach every process; the main process decides when a device ends.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

const [, , name, log] = process.argv;
if (log !== undefined) openLog(log);
endAtBug((sentence) => process.stderr.write(`${sentence}\n`));

if (name === 'playground') {
  serve(parentTransport(), playgroundContract, playgroundHandlers(), new EventHub(), { reportBug });
} else if (name === 'export') {
  // Device processes are spared what only exports need.
  const { exportHandlers } = await import('../export/handlers.ts');
  serve(parentTransport(), exportContract, exportHandlers(), new EventHub(), { reportBug });
} else {
  const hub = new EventHub<DeviceEvents>();
  serve(parentTransport(), deviceContract, deviceHandlers(hub), hub, { reportBug });
}
