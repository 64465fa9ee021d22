// What NVIDIA's cards have in use now, as nvidia-smi tells. It is a program to start for each look, so it is asked only when somebody wants to
// know, one process at a time, once a second at most, and a minute after it failed.

import { execFile } from 'node:child_process';
import type { DeviceLoad } from '../contract/commands.ts';

const query = ['--query-gpu=index,memory.used,utilization.gpu', '--format=csv,noheader,nounits'];
const everyMs = 1000;
const afterFailureMs = 60_000;

/** Loads of the cards, by their CUDA devices; none where nvidia-smi is missing, fails, or takes longer than `patienceMs`. */
export function watchNvidia(patienceMs = 3000): () => Promise<DeviceLoad[]> {
  let next = -Infinity;
  let latest: Promise<DeviceLoad[]> = Promise.resolve([]);
  return () => {
    if (performance.now() < next) return latest;
    next = Infinity;
    const asked = ask(patienceMs);
    void asked.then((loads) => (next = performance.now() + (loads.length > 0 ? everyMs : afterFailureMs)));
    return (latest = soon(asked, patienceMs));
  };
}

/** A process that a hanging driver holds cannot be ended either; nobody waits for it, and no other is started. */
async function soon(asked: Promise<DeviceLoad[]>, patienceMs: number): Promise<DeviceLoad[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<DeviceLoad[]>((resolve) => {
    timer = setTimeout(() => resolve([]), patienceMs);
  });
  return await Promise.race([asked, late]).finally(() => clearTimeout(timer));
}

function ask(timeout: number): Promise<DeviceLoad[]> {
  return new Promise((resolve) => {
    const options = { timeout, killSignal: 'SIGKILL', windowsHide: true } as const;
    execFile('nvidia-smi', query, options, (error, stdout) => resolve(error ? [] : parseNvidiaLoads(stdout)));
  });
}

/** Lines of `index, MiB, percent`. What a card does not tell (its load while it is cut into instances, say) is `[N/A]`. */
export function parseNvidiaLoads(text: string): DeviceLoad[] {
  const rows = [...text.matchAll(/^(\d+), (\d+|\[[^\]\n]+\]), (\d+|\[[^\]\n]+\])\r?$/gm)];
  return rows.map(([, index, mib, percent]) => ({
    id: `cuda:${index}`,
    memoryUsedBytes: mib!.startsWith('[') ? null : Number(mib) * 2 ** 20,
    load: percent!.startsWith('[') ? null : Math.min(1, Number(percent) / 100),
  }));
}
