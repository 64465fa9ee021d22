// What a command does when its output cannot be written any more.
//
// Where the reader is gone (`| head`), it ends without a word: in order where it listens to Ctrl-C, such as a run with a checkpoint, else at
// once. Where the output is a file on a full disk, it says so. Nobody who does not read errors and progress is told of it.

import { isListening } from './interrupt.ts';
import { printNote } from './output.ts';

export function watchOutput(): void {
  process.stderr.on('error', () => undefined);
  process.stdout.once('error', (error: NodeJS.ErrnoException) => {
    process.stdout.on('error', () => undefined);
    if (error.code !== 'EPIPE') {
      process.exitCode = 1;
      printNote(`sdp: the output cannot be written (${error.code})`);
    } else if (isListening()) process.emit('SIGINT');
    else process.exit();
  });
}
