// `sdp serve`: the app as a page on loopback, until Ctrl-C, which ends an active run with a checkpoint.

import { join, resolve } from 'node:path';
import type { App } from '../lab/app.ts';
import { sdpHome } from '../lab/home.ts';
import { samples } from '../lab/samples.ts';
import { startServer } from '../serve/server.ts';
import { openApp } from './home.ts';
import { onInterrupt } from './interrupt.ts';
import { printJson, printLine, printNote } from './output.ts';

interface ServeFlags {
  port: number;
  root?: string;
  demo?: boolean;
  json?: boolean;
}

export async function serveApp({ port, root, demo, json }: ServeFlags): Promise<void> {
  const home = await sdpHome();
  const app = await openApp(home);
  const server = await startServer({
    app,
    home,
    port,
    root,
    rendererDir: join(import.meta.dirname, '../renderer'),
  });
  const interrupted = new Promise<void>((resolve) => onInterrupt(resolve));
  if (json) printJson({ url: server.url });
  else {
    printLine(`SDP Lab is at ${server.url}`);
    printLine(
      root === undefined
        ? 'Anyone with this address can read any file that you can read, by importing it; --root FOLDER limits the page to one folder.'
        : `The page may name files in ${resolve(root)} only.`,
    );
    printLine('Press Ctrl-C to end the app; it saves an active run first.');
  }
  if (demo) startDemo(app).catch((error: unknown) => printNote(`sdp: ${(error as Error).message}`));
  await interrupted;
  await app.close();
  await server.close();
}

async function startDemo({ handlers }: App): Promise<void> {
  await handlers.startSample({ sampleId: samples[0]!.id }, { signal: new AbortController().signal });
}
