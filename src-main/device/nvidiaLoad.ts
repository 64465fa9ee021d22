// What NVIDIA's cards have in use now, as their driver tells. It is asked only when somebody wants to know, one question at a time, once a second at
// most, and a minute after it had no answer.

import type { DeviceLoad } from '../contract/commands.ts';
import { cudaCards } from './nvidiaCards.ts';

const everyMs = 1000;
const afterFailureMs = 60_000;

/** Loads of the cards, by their CUDA devices; none where there is no driver, or it takes longer than `patienceMs`. */
export function watchNvidia(patienceMs = 3000, library?: string): () => Promise<DeviceLoad[]> {
  let next = -Infinity;
  let latest: Promise<DeviceLoad[]> = Promise.resolve([]);
  return () => {
    if (performance.now() < next) return latest;
    next = Infinity;
    latest = ask(patienceMs, library);
    void latest.then((loads) => (next = performance.now() + (loads.length > 0 ? everyMs : afterFailureMs)));
    return latest;
  };
}

async function ask(patienceMs: number, library: string | undefined): Promise<DeviceLoad[]> {
  const { cards } = await cudaCards(patienceMs, library);
  return cards.map(({ index, usedBytes, utilisation }) => ({
    id: `cuda:${index}`,
    memoryUsedBytes: usedBytes,
    load: utilisation,
  }));
}
