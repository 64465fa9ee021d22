// The address of a view is the hash: #/ is home, #/data the datasets, #/plan a new run (from a sample or an earlier run), #/runs/ID a run,
// #/runs/ID/try its model, #/compare/ID,ID several runs, #/settings, #/help. The address that `sdp serve` prints carries a key there
// instead (see transport/page.ts); it opens home.

import { shallowRef } from 'vue';

export type Route =
  | { view: 'home' | 'settings' | 'unknown' }
  | { view: 'data'; dataset: string }
  | { view: 'plan'; from: '' | 'sample' | 'run'; id: string }
  | { view: 'run' | 'try'; runId: string }
  | { view: 'compare'; runIds: string[] }
  | { view: 'help'; topic: string };

export function parseRoute(hash: string): Route {
  if (hash.startsWith('#key=')) return { view: 'home' };
  const path = hash.replace(/^#?\/?/, '');
  const [view = '', ...rest] = path.split('/').map(decode);
  const [first = '', second = '', third] = rest;
  if (third !== undefined) return { view: 'unknown' };
  if (view === 'plan') return planRoute(first, second);
  if (view === 'runs' && first && (second === '' || second === 'try'))
    return { view: second === 'try' ? 'try' : 'run', runId: first };
  if (second) return { view: 'unknown' };
  if (view === '' && first === '') return { view: 'home' };
  if (view === 'data') return { view, dataset: first };
  if (view === 'compare') return { view, runIds: first.split(',').filter(Boolean) };
  if (view === 'help') return { view, topic: first };
  return view === 'settings' && first === '' ? { view } : { view: 'unknown' };
}

function planRoute(from: string, id: string): Route {
  if (from === '' && id === '') return { view: 'plan', from: '', id: '' };
  return (from === 'sample' || from === 'run') && id ? { view: 'plan', from, id } : { view: 'unknown' };
}

const path = (...parts: string[]) => `#/${parts.map(encodeURIComponent).join('/')}`;

export const addressOf = {
  home: '#/',
  data: (dataset = '') => (dataset ? path('data', dataset) : '#/data'),
  plan: '#/plan',
  planFrom: (from: 'sample' | 'run', id: string) => path('plan', from, id),
  run: (runId: string) => path('runs', runId),
  tryRun: (runId: string) => path('runs', runId, 'try'),
  compare: (runIds: readonly string[] = []) =>
    runIds.length > 0 ? `#/compare/${runIds.map(encodeURIComponent).join(',')}` : '#/compare',
  settings: '#/settings',
  help: (topic = '') => (topic ? path('help', topic) : '#/help'),
};

const current = shallowRef<Route>({ view: 'home' });
let following = false;

/** The current route; follows the address. */
export function useRoute() {
  if (!following) {
    following = true;
    const follow = () => (current.value = parseRoute(location.hash));
    follow();
    window.addEventListener('hashchange', follow);
  }
  return current;
}

export function goTo(address: string): void {
  location.hash = address;
}

/** Another address for what is shown already: Back leads past it. */
export function replaceAddress(address: string): void {
  history.replaceState(null, '', address);
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
