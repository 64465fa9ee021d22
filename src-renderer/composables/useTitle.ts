// The title of the window while a view is shown: what is seen first, the app's name last. Every view has one.

import { watchEffect } from 'vue';

export function useTitle(name: () => string): void {
  watchEffect(() => (document.title = `${name()} · SDP Lab`));
}
