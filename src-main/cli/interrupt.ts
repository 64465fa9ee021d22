// Ctrl-C, SIGTERM (service managers, schedulers) and SIGHUP (the terminal has gone): the first asks to end in order, a later one ends at
// once. Where no command listens, each ends the process at once, which takes device processes with it, and stores but that of a run.
//
// Under npm a terminal's Ctrl-C arrives twice within moments, from the terminal and from npm: what follows closely counts as the same. A
// terminal that goes may tell it several times.

import { constants } from 'node:os';

const sameMs = 1000;
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

let ask: (() => void) | undefined;
let lastAt = -Infinity;

/** To be called once, by the entry of the command. */
export function heedSignals(): void {
  for (const signal of signals) process.on(signal, heed);
}

/** Calls `first` in place of ending. Returns the function that stops listening. */
export function onInterrupt(first: () => void): () => void {
  ask = first;
  return () => (ask = undefined);
}

/** Whether a command would end in order. */
export const isListening = () => ask !== undefined;

function heed(signal: (typeof signals)[number]): void {
  // Nobody reads what is still written.
  if (signal === 'SIGHUP') for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const isSame = Date.now() - lastAt < sameMs || (signal === 'SIGHUP' && lastAt > 0);
  lastAt = Date.now();
  if (isSame) return;
  if (!ask) process.exit(128 + constants.signals[signal]);
  const first = ask;
  ask = () => process.exit(1);
  first();
}
