// Messages between a typed client and server, with one schema each. Anything else on a transport ends it.
//
// The client opens with `hello`; nothing else is answered before `welcome`. Every `call` gets exactly one `reply` or `failure` with its id.

import { z } from 'zod';

const id = z.int().min(0);

export const wireError = z.strictObject({ code: z.string(), message: z.string(), key: z.string().optional() });
export type WireError = z.infer<typeof wireError>;

const wireEvent = z.strictObject({ name: z.string(), sequence: z.int(), payload: z.unknown().optional() });
export type WireEvent = z.infer<typeof wireEvent>;

export const clientMessage = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('hello'), version: z.string() }),
  z.strictObject({ type: z.literal('call'), id, command: z.string(), params: z.unknown().optional() }),
  z.strictObject({ type: z.literal('cancel'), id }),
]);
export type ClientMessage = z.infer<typeof clientMessage>;

export const serverMessage = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('welcome'), version: z.string() }),
  /** The versions differ; the server closes after it. */
  z.strictObject({ type: z.literal('refused'), version: z.string() }),
  z.strictObject({ type: z.literal('reply'), id, result: z.unknown().optional() }),
  z.strictObject({ type: z.literal('failure'), id, error: wireError }),
  z.strictObject({ type: z.literal('events'), events: z.array(wireEvent) }),
]);
export type ServerMessage = z.infer<typeof serverMessage>;
