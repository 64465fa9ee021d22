// Frees what building graphs has left behind, before the memory of a step comes on top of it: the collector alone would wait for as much
// garbage as there is data, and keep emptied pages. This is what it does where memory is low, which only the inspector offers.

import { Session } from 'node:inspector/promises';

export async function collectGarbage(): Promise<void> {
  const session = new Session();
  session.connect();
  await session.post('HeapProfiler.collectGarbage');
  session.disconnect();
}
