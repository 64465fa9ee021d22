// A small contract with one command for each way a call can end; for the tests of this folder.

import { z } from 'zod';
import { UserError } from '../contract/errors.ts';
import type { Handlers } from '../contract/rpc.ts';

const nothing = z.strictObject({});

export const testContract = {
  commands: {
    double: { params: z.strictObject({ value: z.number() }), result: z.number() },
    refuse: { params: nothing, result: z.null() },
    crash: { params: nothing, result: z.null() },
    wait: { params: nothing, result: z.null() },
    environment: { params: nothing, result: z.record(z.string(), z.string()) },
    die: { params: z.strictObject({ lines: z.number() }), result: z.null() },
  },
  events: { counted: z.object({ count: z.number() }) },
  version: 'test 1',
} as const;

export type TestCommands = (typeof testContract)['commands'];
export type TestEvents = (typeof testContract)['events'];

export const handlers: Handlers<TestCommands> = {
  double: ({ value }) => 2 * value,
  refuse: () => {
    throw new UserError('data', 'the file is truncated', { key: 'labels.gz' });
  },
  crash: () => {
    throw new Error('impossible shape [0]');
  },
  wait: async (_, { signal }) => {
    await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    return null;
  },
  environment: () => process.env as Record<string, string>,
  die: ({ lines }) => {
    for (let line = 1; line <= lines; line++) process.stderr.write(`last words ${line}\n`);
    process.exit(7);
  },
};
