// Entry of the Electron host.

import { endAtBug } from '../log/log.ts';
import { showSentence, startDesktop } from './desktop.ts';

endAtBug(showSentence);
startDesktop();
