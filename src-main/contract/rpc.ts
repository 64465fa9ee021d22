// Types of a contract: records of commands and events, and what client and server make of them.

import type { z } from 'zod';

export type CommandRecord = Record<string, { params: z.ZodType; result: z.ZodType }>;
export type EventRecord = Record<string, z.ZodType>;

/** What client and server must agree on; they refuse each other where `version` differs. */
export interface Contract<C extends CommandRecord, E extends EventRecord> {
  commands: C;
  events: E;
  version: string;
}

export type Params<C extends CommandRecord, K extends keyof C> = z.input<C[K]['params']>;
export type Result<C extends CommandRecord, K extends keyof C> = z.output<C[K]['result']>;

/** What a server must provide: every command, no other. `signal` fires when the caller cancels or goes away. */
export type Handlers<C extends CommandRecord> = {
  [K in keyof C]: (
    params: z.output<C[K]['params']>,
    context: { signal: AbortSignal },
  ) => Promise<Result<C, K>> | Result<C, K>;
};

/** An event on its way: `sequence` counts from 1 per server. */
export type EventMessage<E extends EventRecord> = {
  [K in keyof E]: { name: K; sequence: number; payload: z.output<E[K]> };
}[keyof E];
