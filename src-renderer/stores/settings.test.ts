import { expect, test, vi } from 'vitest';
import { UserError } from '../../src-main/contract/errors.ts';
import { useCatalogueStore } from './catalogue.ts';
import { useConnectionStore } from './connection.ts';
import { useSettingsStore } from './settings.ts';
import { testApp } from './testApp.ts';

test('a change is shown at once and taken back where it cannot be saved', async () => {
  const app = testApp({
    saveSettings: (settings) => {
      if (settings.theme === 'light') throw new UserError('storage', 'the disk is full');
      return settings;
    },
  });
  const catalogue = useCatalogueStore();
  const settings = useSettingsStore();
  useConnectionStore().start(app.connect);
  await vi.waitUntil(() => catalogue.loaded);
  const change = settings.change({ theme: 'light' });
  expect(settings.current.theme).toBe('light');
  expect(await change).toBe(false);
  expect([settings.current.theme, settings.problem]).toEqual(['system', 'the disk is full.']);
  expect(await settings.change({ theme: 'dark' })).toBe(true);
  app.hub.emit('settingsSaved', { settings: { ...settings.current, notify: false } });
  await vi.waitUntil(() => !settings.current.notify);
  expect(settings.current.theme).toBe('dark');
});
