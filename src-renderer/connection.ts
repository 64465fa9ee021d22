// How this page reaches its app, when it is worth trying again at once (the network is back, the page is looked at, or its address was opened
// anew with another key), and when it asks for news.

import { catchUpMs } from '../src-main/contract/commands.ts';
import { pageTransport } from '../src-main/transport/page.ts';
import { askWhileUsed } from './composables/askWhileUsed.ts';
import { useConnectionStore } from './stores/connection.ts';

export function openConnection(): void {
  const connection = useConnectionStore();
  const retry = () => {
    if (!document.hidden) connection.retryNow();
  };
  window.addEventListener('online', retry);
  window.addEventListener('hashchange', retry);
  document.addEventListener('visibilitychange', retry);
  const catchUp = () => {
    // That it failed is shown by the connection.
    if (connection.isOpen) connection.call('catchUp', {}).catch(() => undefined);
  };
  askWhileUsed(document, catchUp, catchUpMs);
  connection.start(() => pageTransport(window));
}
