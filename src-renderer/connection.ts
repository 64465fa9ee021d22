// How this page reaches its app, when it is worth trying again at once (the network is back, the page is looked at, or its address was opened
// anew with another key), and when it asks for news.

import { pageTransport } from '../src-main/transport/page.ts';
import { askWhileUsed } from './composables/askWhileUsed.ts';
import { useConnectionStore } from './stores/connection.ts';

/** So that one who looks closely at training on all of two cores does not slow it by one percent (bench/results.md). */
const catchUpMs = 5000;

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
