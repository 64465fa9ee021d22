// The theme of the page: what the settings say, else what the system asks for. Sets `data-theme`, which the style sheet follows; canvases
// need it in words. What was last chosen is kept for the first moments of the next start, before the settings are here.

import { effectScope, ref, watchEffect, type Ref } from 'vue';
import type { Theme } from '../charts/colours.ts';
import type { Settings } from '../../src-main/contract/settings.ts';

const key = 'sdp-lab theme';
const theme = ref<Theme>('light');
const chosen = ref<Settings['theme']>('system');

/** Follows settings and system for as long as the page lives. */
export function startTheme(): void {
  const query = matchMedia('(prefers-color-scheme: dark)');
  const systemDark = ref(query.matches);
  query.addEventListener('change', () => (systemDark.value = query.matches));
  const kept = localStorage.getItem(key);
  if (kept === 'light' || kept === 'dark') chosen.value = kept;
  effectScope(true).run(() =>
    watchEffect(
      () => {
        theme.value = chosen.value === 'system' ? (systemDark.value ? 'dark' : 'light') : chosen.value;
        document.documentElement.dataset.theme = theme.value;
      },
      { flush: 'sync' },
    ),
  );
}

export function chooseTheme(next: Settings['theme']): void {
  chosen.value = next;
  localStorage.setItem(key, next);
}

export function useTheme(): Readonly<Ref<Theme>> {
  return theme;
}
