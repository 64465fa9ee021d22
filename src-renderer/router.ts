// The address of a view is the hash: #/ is home, #/new the form (or #/new/SAMPLE to start from a sample), #/runs/ID a run.
// The address that `sdp serve` prints carries a key there instead (see transport/page.ts); it opens home.

import { shallowRef } from 'vue';

export type Route =
  { view: 'home' } | { view: 'new'; sampleId: string } | { view: 'run'; runId: string } | { view: 'unknown' };

export function parseRoute(hash: string): Route {
  if (hash.startsWith('#key=')) return { view: 'home' };
  const [view = '', id = '', ...rest] = hash
    .replace(/^#?\/?/, '')
    .split('/')
    .map(decode);
  if (rest.length > 0) return { view: 'unknown' };
  if (view === '' && id === '') return { view: 'home' };
  if (view === 'new') return { view: 'new', sampleId: id };
  if (view === 'runs' && id !== '') return { view: 'run', runId: id };
  return { view: 'unknown' };
}

export const addressOf = {
  home: '#/',
  new: (sampleId = '') => (sampleId ? `#/new/${encodeURIComponent(sampleId)}` : '#/new'),
  run: (runId: string) => `#/runs/${encodeURIComponent(runId)}`,
};

/** The current route; follows the address. */
export function useRoute() {
  const route = shallowRef(parseRoute(location.hash));
  window.addEventListener('hashchange', () => (route.value = parseRoute(location.hash)));
  return route;
}

export function goTo(address: string): void {
  location.hash = address;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
