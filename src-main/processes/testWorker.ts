// A device process that serves the test contract; `childProcess.process.test.ts` bundles and starts it.

import { parentTransport } from './childProcess.ts';
import { endAtBug } from '../log/log.ts';
import { EventHub } from '../transport/events.ts';
import { serve } from '../transport/server.ts';
import { handlers, testContract, type TestEvents } from '../transport/testContract.ts';

function throwUncaught(value: number): never {
  throw new Error(`nobody catches ${value}`);
}

endAtBug((sentence) => process.stderr.write(`last word: ${sentence}\n`));
const hub = new EventHub<TestEvents>();
const countingHandlers: typeof handlers = {
  ...handlers,
  double: ({ value }) => {
    if (value < 0) setImmediate(() => throwUncaught(value));
    hub.emit('counted', { count: value });
    return 2 * value;
  },
};
serve(parentTransport(), testContract, countingHandlers, hub);
