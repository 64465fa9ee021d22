// The `sdp` command. Exit code 0: done; 2: wrong usage or configuration; 1: failed. An error is one sentence on standard error.
//
// The process ends when the command is done and its output written, whatever may be left to wait for.

import { CommanderError } from 'commander';
import { exitCode, UserError } from '../contract/errors.ts';
import { visible } from '../contract/visible.ts';
import { sdpHome } from '../lab/home.ts';
import { endAtBug, logFile, openLog, reportBug } from '../log/log.ts';
import { heedSignals } from './interrupt.ts';
import { printNote } from './output.ts';
import { watchOutput } from './pipes.ts';
import { buildProgram } from './program.ts';

heedSignals();
watchOutput();
const printBug = (sentence: string) =>
  process.stderr.write(`sdp: unexpected error, please report it: ${visible(sentence)}\n`);
endAtBug(printBug);

try {
  // Where there is no data folder, the commands that need one say so.
  await sdpHome().then(
    (home) => openLog(logFile(home)),
    () => undefined,
  );
  await buildProgram().parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
for (const stream of [process.stdout, process.stderr]) await new Promise<unknown>((done) => stream.write('', done));
process.exit();

/** Commander has already printed its own message. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof UserError) printNote(`sdp: ${error.message}`);
  else printBug(reportBug(error));
  return exitCode(error);
}
