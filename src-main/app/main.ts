// Entry of the Electron host.

import { startDesktop } from './desktop.ts';

startDesktop();
