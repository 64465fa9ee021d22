// How this page reaches its app, when it is worth trying again at once (the network is back, the page is looked at, or its address was opened
// anew with another key), and whether it can be seen.

import { pageTransport } from '../src-main/transport/page.ts';
import { useConnectionStore } from './stores/connection.ts';

export function openConnection(): void {
  const connection = useConnectionStore();
  const retry = () => {
    if (!document.hidden) connection.retryNow();
  };
  const tellVisible = () => connection.setVisible(!document.hidden);
  window.addEventListener('online', retry);
  window.addEventListener('hashchange', retry);
  document.addEventListener('visibilitychange', retry);
  document.addEventListener('visibilitychange', tellVisible);
  tellVisible();
  connection.start(() => pageTransport(window));
}
