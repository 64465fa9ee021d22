// What the devices of this machine have in use now. CPU devices share cores and memory, so cpu:0 stands for all of them; of graphics cards
// NVIDIA's tell it.

import { cpus, freemem, totalmem } from 'node:os';
import type { DeviceLoad } from '../contract/commands.ts';
import { watchNvidia } from './nvidiaLoad.ts';

interface CpuTimes {
  busy: number;
  all: number;
}

let before = cpuTimes();
const nvidiaLoads = watchNvidia();

export async function sampleDevices(): Promise<DeviceLoad[]> {
  const load = cpuLoad();
  const memoryUsedBytes = totalmem() - freemem();
  return [{ id: 'cpu:0', memoryUsedBytes, load }, ...(await nvidiaLoads())];
}

/** Share of all cores' time since the last call, or the start; null where no time has passed. */
function cpuLoad(): number | null {
  const [last, now] = [before, cpuTimes()];
  before = now;
  return now.all > last.all ? (now.busy - last.busy) / (now.all - last.all) : null;
}

function cpuTimes(): CpuTimes {
  const total = { busy: 0, all: 0 };
  for (const { times } of cpus()) {
    const all = times.user + times.nice + times.sys + times.idle + times.irq;
    total.all += all;
    total.busy += all - times.idle;
  }
  return total;
}
