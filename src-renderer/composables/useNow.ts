// The page's clock as a value that others can depend on, once a second.

import { onScopeDispose, ref, type Ref } from 'vue';

export function useNow(): Readonly<Ref<number>> {
  const now = ref(Date.now());
  const timer = setInterval(() => (now.value = Date.now()), 1000);
  onScopeDispose(() => clearInterval(timer));
  return now;
}
