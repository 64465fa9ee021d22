// How this page reaches its app, and when it is worth trying again at once: the network is back, the page is looked at, or its address
// was opened anew with another key.

import { pageTransport } from '../src-main/transport/page.ts';
import { useConnectionStore } from './stores/connection.ts';

export function openConnection(): void {
  const connection = useConnectionStore();
  const retry = () => {
    if (!document.hidden) connection.retryNow();
  };
  window.addEventListener('online', retry);
  window.addEventListener('hashchange', retry);
  document.addEventListener('visibilitychange', retry);
  connection.start(() => pageTransport(window));
}
