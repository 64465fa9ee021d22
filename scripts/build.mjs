// Usage: node scripts/build.mjs - builds the app into out/.

import { join } from 'node:path';
import { existsSync } from 'node:fs';
import { buildOnce } from './lib/freshness.mjs';
import { nodeScript, root } from './lib/processes.mjs';

const installed = existsSync(join(root, 'node_modules/electron/path.txt'));
// electron-vite refuses to work without an Electron binary, though a build never starts it.
const env = installed ? {} : { ELECTRON_EXEC_PATH: process.execPath };
const program = 'node_modules/electron-vite/bin/electron-vite.js';
const { code } = await buildOnce('app', () => nodeScript(program, ['build', '--logLevel', 'warn'], { env }));
process.exitCode = code;
