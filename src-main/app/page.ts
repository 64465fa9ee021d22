// The built page under the app's own scheme, so that it has an origin, a policy, and no way to other files.

import { protocol } from 'electron';
import { readStaticFiles, securityHeaders } from '../host/staticFiles.ts';

const scheme = 'app';
export const pageOrigin = `${scheme}://sdp-lab`;
export const pageUrl = `${pageOrigin}/`;

/** Must be called before Electron is ready. */
export function registerScheme(): void {
  protocol.registerSchemesAsPrivileged([
    { scheme, privileges: { standard: true, secure: true, supportFetchAPI: true } },
  ]);
}

export function servePage(rendererDir: string): void {
  const files = readStaticFiles(rendererDir);
  const headers = securityHeaders([]);
  protocol.handle(scheme, ({ url, method }) => {
    const { origin, pathname } = splitUrl(url);
    if (origin !== pageOrigin || method !== 'GET') return new Response('forbidden\n', { status: 403, headers });
    const file = files.get(pathname);
    if (!file) return new Response('not found\n', { status: 404, headers });
    const body = new Uint8Array(file.content);
    return new Response(body, { headers: { ...headers, 'Content-Type': file.contentType } });
  });
}

/** By hand: the origin of an own scheme is "null" to URL in Node. */
function splitUrl(url: string): { origin: string; pathname: string } {
  const { protocol: name, host, pathname } = new URL(url);
  return { origin: `${name}//${host}`, pathname };
}
