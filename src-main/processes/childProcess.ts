// A device process as a child of Node, seen from both ends.
//
// Parent: `spawnDevice` starts the worker with a minimal environment and keeps the last lines that it writes. Child: `parentTransport` speaks
// to whatever started it, Node or Electron, and ends the process when the parent is gone, so that no worker outlives the app.

import { fork, type ChildProcess } from 'node:child_process';
import { UserError } from '../contract/errors.ts';
import { quietEnvironment } from '../contract/quiet.ts';
import {
  endWithUs,
  engineArguments,
  howItEnded,
  within,
  workerArguments,
  type DeviceProcess,
  type ProcessExit,
  type SpawnDevice,
} from './deviceProcess.ts';
import { log } from '../log/log.ts';
import { createEndpoint } from '../transport/endpoint.ts';
import { LastLines } from './lastLines.ts';
import type { Transport } from '../transport/transport.ts';

/** Longest wait for the rest of the output of a process that has ended. */
export const drainMs = 1000;

/** `workerPath`: absolute path of the built worker. */
export function spawnDevice(workerPath: string): SpawnDevice {
  return (name) => {
    const child = started(name, () =>
      fork(workerPath, workerArguments(name), {
        serialization: 'advanced',
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
        env: deviceEnvironment(process.env),
        execArgv: [...engineArguments],
      }),
    );
    const output = new LastLines((line) => log('warn', `${name}: ${line}`));
    // There are none where none could be opened.
    const pipes = [child.stdout, child.stderr].filter((pipe) => !!pipe);
    const written = Promise.all(pipes.map((pipe) => output.collect(pipe)));
    return endWithUs(new Child(child, output, written));
  };
}

/** Some refusals of the system come as an event of the child, others are thrown. */
function started(name: string, start: () => ChildProcess): ChildProcess {
  try {
    return start();
  } catch (error) {
    const how = howItEnded({ code: null, signal: null, lastOutput: (error as Error).message });
    throw new UserError('device', `device ${name} could not be started: ${how}`, { key: name, cause: error });
  }
}

class Child implements DeviceProcess {
  readonly transport: Transport;
  readonly exited: Promise<ProcessExit>;
  readonly #child: ChildProcess;

  constructor(child: ChildProcess, output: LastLines, written: Promise<unknown>) {
    this.#child = child;
    this.transport = childTransport(child);
    const ended = new Promise<Omit<ProcessExit, 'lastOutput'>>((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
      child.once('error', (error) => {
        if (child.pid !== undefined) return;
        output.add(error.message);
        resolve({ code: null, signal: null });
      });
    });
    this.exited = ended.then(async (exit) => {
      await within(written, drainMs);
      return { ...exit, lastOutput: output.toString() };
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

function childTransport(child: ChildProcess): Transport {
  const { transport, received, ended } = createEndpoint({
    // The callback takes errors of a child that has just died; its close is told by 'disconnect' or 'exit'.
    send: (message) => void (child.connected && child.send(message as object, () => undefined)),
    close: () => void (child.connected && child.disconnect()),
  });
  child.on('message', received);
  child.once('disconnect', ended);
  child.once('exit', ended);
  child.on('error', ended);
  return transport;
}

/** The channel to the process that started this one. The process ends when it closes. */
export function parentTransport(): Transport {
  const { parentPort } = process as typeof process & { parentPort?: ParentPort };
  return parentPort ? utilityTransport(parentPort) : forkedTransport();
}

function forkedTransport(): Transport {
  if (!process.connected) throw new Error('this program is started by the app, not by hand');
  const { transport, received, ended } = createEndpoint({
    send: (message) => void (process.connected && process.send!(message, undefined, undefined, () => undefined)),
    close: () => void (process.connected && process.disconnect()),
  });
  process.on('message', received);
  process.once('disconnect', () => {
    ended();
    process.exit();
  });
  return transport;
}

/** Shape of Electron's `process.parentPort`. Its far end has no close event: Electron ends the process with its parent. */
interface ParentPort {
  on(event: 'message', listener: (event: { data: unknown }) => void): unknown;
  postMessage(message: unknown): void;
}

function utilityTransport(port: ParentPort): Transport {
  const { transport, received } = createEndpoint({
    send: (message) => port.postMessage(message),
    close: () => process.exit(),
  });
  port.on('message', (event) => received(event.data));
  return transport;
}

const passedOn =
  /^(PATH|HOME|USERPROFILE|TMPDIR|TEMP|TMP|LANG|LC_\w+|TZ|SYSTEMROOT|WINDIR|XDG_RUNTIME_DIR|RUST_BACKTRACE|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|VIRTUAL_ENV|PYENV_ROOT|(CONDA|CUDA|NVIDIA|VK|SDP)_\w+)$/i;

/** What a device process needs of the environment: paths, language, graphics drivers, and where Python has CUDA. Not NODE_OPTIONS and the like, nor secrets of other programs. */
export function deviceEnvironment(environment: NodeJS.ProcessEnv): Record<string, string> {
  const entries = Object.entries(environment).filter(([name, value]) => value !== undefined && passedOn.test(name));
  // CUDA numbers devices by speed by default; here they go by their place (device/accelerators.ts).
  return {
    CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
    ...(Object.fromEntries(entries) as Record<string, string>),
    ...quietEnvironment,
  };
}
