// A device process as an Electron utility process: the same worker as elsewhere, which finds its parent by `process.parentPort`.

import { utilityProcess, type UtilityProcess } from 'electron';
import type { Readable } from 'node:stream';
import {
  endWithUs,
  engineArguments,
  within,
  workerArguments,
  type DeviceProcess,
  type ProcessExit,
  type SpawnDevice,
} from '../processes/deviceProcess.ts';
import { deviceEnvironment, drainMs } from '../processes/childProcess.ts';
import { log } from '../log/log.ts';
import { createEndpoint } from '../transport/endpoint.ts';
import { LastLines } from '../processes/lastLines.ts';
import type { Transport } from '../transport/transport.ts';

/** `workerPath`: absolute path of the built worker. To be used when Electron is ready. */
export function spawnUtilityDevice(workerPath: string): SpawnDevice {
  return (name) => {
    const child = utilityProcess.fork(workerPath, workerArguments(name), {
      serviceName: `SDP Lab ${name}`,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: deviceEnvironment(process.env),
      execArgv: [...engineArguments],
    });
    return endWithUs(deviceProcess(name, child));
  };
}

function deviceProcess(name: string, child: UtilityProcess): DeviceProcess {
  return {
    transport: utilityTransport(child),
    get pid() {
      return child.pid;
    },
    exited: collectExit(name, child),
    kill: () => (child.pid === undefined ? void child.once('spawn', () => kill(child)) : kill(child)),
  };
}

/** `child.kill()` asks politely, which a process that hangs in native code does not hear. */
function kill(child: UtilityProcess): void {
  if (child.pid !== undefined) process.kill(child.pid, 'SIGKILL');
}

function utilityTransport(child: UtilityProcess): Transport {
  const { transport, received, ended } = createEndpoint({
    send: (message) => child.postMessage(message),
    close: () => void child.kill(),
  });
  child.on('message', received);
  child.once('exit', ended);
  return transport;
}

async function collectExit(name: string, child: UtilityProcess): Promise<ProcessExit> {
  const output = new LastLines((line) => log('warn', `${name}: ${line}`));
  const written = Promise.all([child.stdout, child.stderr].map((stream) => output.collect(stream as Readable)));
  child.on('error', (type, location) => output.add(`${type} at ${location}`));
  const code = await new Promise<number>((resolve) => child.once('exit', resolve));
  await within(written, drainMs);
  return { code, signal: null, lastOutput: output.toString() };
}
