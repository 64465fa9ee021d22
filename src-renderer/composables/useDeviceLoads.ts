// What the devices have in use: asked for every two seconds while the page can be seen.

import { onScopeDispose, shallowRef, type Ref } from 'vue';
import type { DeviceLoad } from '../../src-main/contract/commands.ts';
import { useConnectionStore } from '../stores/connection.ts';

const everyMs = 2000;

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
  onScopeDispose(() => clearInterval(timer));
  return loads;
}
