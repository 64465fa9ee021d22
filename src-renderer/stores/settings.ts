// The settings of the app, from the snapshot and its events. A change is shown at once and saved; it returns to what is stored where that fails.

import { defineStore } from 'pinia';
import { ref, shallowRef } from 'vue';
import { settings as schema, type Settings } from '../../src-main/contract/settings.ts';
import { useConnectionStore, type AppEvent } from './connection.ts';
import { errorText } from './messages.ts';

export const useSettingsStore = defineStore('settings', () => {
  const connection = useConnectionStore();
  const current = shallowRef<Settings>(schema.parse({}));
  const loaded = ref(false);
  const problem = ref('');

  function replace(next: Settings): void {
    current.value = next;
    loaded.value = true;
  }

  function apply(event: AppEvent): void {
    if (event.name === 'settingsSaved') replace(event.payload.settings);
  }

  async function change(part: Partial<Settings>): Promise<boolean> {
    const before = current.value;
    current.value = { ...before, ...part };
    problem.value = '';
    try {
      replace(await connection.call('saveSettings', current.value));
      return true;
    } catch (error) {
      current.value = before;
      problem.value = errorText(error);
      return false;
    }
  }

  return { current, loaded, problem, replace, apply, change };
});
