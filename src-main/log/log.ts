// The log of the app: what went wrong, for who reports a bug. One file for all processes of the app, `logs/sdp.log` of the data folder.
//
// The addon writes it and keeps it small (native/core/src/log.rs). The log never fails its caller. It says neither who the user is nor how to
// reach the app: the user's folder is `~`, and the key of a served page is left out.

import { homedir } from 'node:os';
import { join } from 'node:path';
import { visibleBug, visibleLines } from '../contract/visible.ts';
import { native } from '../native.ts';

export type LogLevel = 'error' | 'warn' | 'info';

let file: string | undefined;
let hasBegun = false;

export const logFile = (home: string): string => join(home, 'logs', 'sdp.log');

/** Entries of this process go there from now on. The first one makes the file. */
export function openLog(path: string): void {
  file = path;
  hasBegun = false;
}

/** Where entries go; undefined before openLog. */
export const openedLog = (): string | undefined => file;

/** Adds an entry. Returns whether it is in the file. */
export function log(level: LogLevel, text: string): boolean {
  if (file === undefined) return false;
  try {
    if (!hasBegun) begin(file);
    return add(level, text);
  } catch {
    return false;
  }
}

function begin(path: string): void {
  native().openLog(path);
  hasBegun = true;
  const { argv, platform, arch, version } = process;
  add('info', `${argv.slice(1, 3).join(' ')}: Node.js ${version}, ${platform} ${arch}`);
}

const add = (level: LogLevel, text: string): boolean =>
  native().writeLog(level, `process ${process.pid}: ${anonymous(text)}`);

function anonymous(text: string): string {
  const user = homedir();
  const withoutKey = text.replace(/\bkey([=.])[\w-]{20,}/g, 'key$1...');
  return user.length > 1 ? withoutKey.replaceAll(user, '~') : withoutKey;
}

/** Logs the end of a process or the like, with what is known besides. Returns the sentence, with the name of the log where it is in there. */
export function logged(sentence: string, details: string): string {
  return log('error', `${sentence}\n  ${visibleLines(details)}`) ? named(sentence) : sentence;
}

/**
 * Logs an unexpected exception with its stack; where that cannot be, the stack goes to standard error. Returns the sentence for who is told of
 * it: its message, and the name of the log.
 */
export function reportBug(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (log('error', visibleBug(error))) return named(message);
  console.error(visibleBug(error));
  return message;
}

const named = (sentence: string): string => `${sentence} (see ${file})`;

/** An exception that nobody catches ends this process, with the sentence of reportBug. */
export function endAtBug(tell: (sentence: string) => void): void {
  process.on('uncaughtException', (error) => {
    tell(reportBug(error));
    process.exit(1);
  });
}
