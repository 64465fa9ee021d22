// What the devices have in use: asked for every two seconds while the page is used, and seldom while it is only looked at, since training may use
// every core.

import { onScopeDispose, shallowRef, type Ref } from 'vue';
import type { DeviceLoad } from '../../src-main/contract/commands.ts';
import { useConnectionStore } from '../stores/connection.ts';
import { askWhileUsed } from './askWhileUsed.ts';

const [everyMs, everyMsWhileUsed] = [10_000, 2000];

export function useDeviceLoads(): Readonly<Ref<ReadonlyMap<string, DeviceLoad>>> {
  const connection = useConnectionStore();
  const loads = shallowRef<ReadonlyMap<string, DeviceLoad>>(new Map());
  let asking = false;

  async function ask(): Promise<void> {
    if (asking || document.hidden || !connection.isOpen) return;
    asking = true;
    try {
      const samples = await connection.call('sampleDevices', {});
      loads.value = new Map(samples.map((sample) => [sample.id, sample]));
    } catch {
      loads.value = new Map();
    } finally {
      asking = false;
    }
  }

  void ask();
  const timer = setInterval(() => void ask(), everyMs);
  const stopAsking = askWhileUsed(document, () => void ask(), everyMsWhileUsed);
  onScopeDispose(() => {
    clearInterval(timer);
    stopAsking();
  });
  return loads;
}
