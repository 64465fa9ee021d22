// The page's clock as a value that others can depend on.

import { onScopeDispose, ref, type Ref } from 'vue';

export function useNow(everyMs: number): Readonly<Ref<number>> {
  const now = ref(Date.now());
  const timer = setInterval(() => (now.value = Date.now()), everyMs);
  onScopeDispose(() => clearInterval(timer));
  return now;
}
