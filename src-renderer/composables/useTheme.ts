// The theme that the system asks for; canvases need it in numbers, everything else follows the style sheet.

import { onScopeDispose, ref, type Ref } from 'vue';
import type { Theme } from '../charts/colours.ts';

export function useTheme(): Readonly<Ref<Theme>> {
  const query = matchMedia('(prefers-color-scheme: dark)');
  const read = (): Theme => (query.matches ? 'dark' : 'light');
  const theme = ref(read());
  const follow = () => (theme.value = read());
  query.addEventListener('change', follow);
  onScopeDispose(() => query.removeEventListener('change', follow));
  return theme;
}
