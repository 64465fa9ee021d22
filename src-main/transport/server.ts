// Answers the calls of one client with the handlers of a contract, and passes on the events of a hub.
//
// Parameters are parsed here, by the command's schema. A UserError goes out with its code, message and key; any other exception is a bug:
// `reportBug` gets it, and the client with code `internal` what that returns. A message that is not of the protocol ends the transport.

import { UserError } from '../contract/errors.ts';
import { plainDataProblem } from '../contract/plainData.ts';
import type { CommandRecord, Contract, EventMessage, EventRecord, Handlers } from '../contract/rpc.ts';
import { visibleBug } from '../contract/visible.ts';
import { clientMessage, type ClientMessage, type ServerMessage, type WireError, type WireEvent } from './envelope.ts';
import type { EventHub } from './events.ts';
import { createPace } from './pace.ts';
import type { Transport } from './transport.ts';

type Call = Extract<ClientMessage, { type: 'call' }>;

export interface ServeOptions<E extends EventRecord> {
  /** How an event is sent (pace.ts), if at all; default: at once. Is given every event once, in order. */
  timing?: (event: EventMessage<E>) => 'at once' | 'periodic' | 'never';
  /** Is given unexpected exceptions, and returns what the client is told; default: to standard error, and the message. */
  reportBug?: (error: unknown) => string;
}

/** Serves until the transport closes; the signals of calls still running fire then. */
export function serve<C extends CommandRecord, E extends EventRecord>(
  transport: Transport,
  contract: Contract<C, E>,
  handlers: Handlers<C>,
  hub: EventHub<E>,
  { timing = () => 'at once', reportBug = printBug }: ServeOptions<E> = {},
): void {
  const running = new Map<number, AbortController>();
  let unsubscribe: (() => void) | undefined;
  const send = (message: ServerMessage): void => transport.send(message);
  const pace = createPace<EventMessage<E>>((events) => send({ type: 'events', events: events.map(wireEvent) }));

  function greet(version: string): void {
    if (version !== contract.version || unsubscribe) {
      send({ type: 'refused', version: contract.version });
      return transport.close();
    }
    send({ type: 'welcome', version: contract.version });
    unsubscribe = hub.subscribe((event) => {
      const when = timing(event);
      if (when !== 'never') pace.add(event, when === 'periodic');
    });
  }

  /** Events that came before an answer are sent before it. */
  function reply(message: ServerMessage): void {
    pace.flush();
    send(message);
  }

  async function answer(call: Call): Promise<void> {
    const controller = new AbortController();
    running.set(call.id, controller);
    try {
      const result = await run(contract.commands, handlers, call, controller.signal);
      reply({ type: 'reply', id: call.id, result });
    } catch (error) {
      reply({ type: 'failure', id: call.id, error: toWire(error, controller.signal, reportBug) });
    } finally {
      running.delete(call.id);
    }
  }

  function receive(raw: unknown): void {
    const { data: message } = clientMessage.safeParse(raw);
    if (!message) return transport.close();
    if (message.type === 'hello') return greet(message.version);
    if (!unsubscribe) return transport.close();
    if (message.type === 'cancel') return running.get(message.id)?.abort();
    if (running.has(message.id)) return transport.close();
    void answer(message);
  }

  transport.onClose(() => {
    unsubscribe?.();
    pace.stop();
    for (const controller of running.values()) controller.abort();
  });
  transport.onMessage(receive);
}

async function run<C extends CommandRecord>(
  commands: C,
  handlers: Handlers<C>,
  call: Call,
  signal: AbortSignal,
): Promise<unknown> {
  if (!Object.hasOwn(commands, call.command)) throw new UserError('usage', `there is no command "${call.command}"`);
  const notPlain = plainDataProblem(call.params);
  if (notPlain)
    throw new UserError('usage', `${call.command}: ${notPlain.key} ${notPlain.problem}`, { key: notPlain.key });
  const parsed = commands[call.command]!.params.safeParse(call.params);
  if (!parsed.success) throw badParams(call.command, parsed.error.issues[0]!);
  const handler = handlers[call.command] as (params: unknown, context: { signal: AbortSignal }) => unknown;
  return await handler(parsed.data, { signal });
}

function badParams(command: string, issue: { path: PropertyKey[]; message: string }): UserError {
  const key = issue.path.map(String).join('.');
  return new UserError('usage', `${[command, key].filter(Boolean).join(': ')}: ${issue.message}`, {
    key: key || undefined,
  });
}

function toWire(error: unknown, signal: AbortSignal, reportBug: (error: unknown) => string): WireError {
  if (error instanceof UserError) return { code: error.code, message: error.message, key: error.key };
  if (signal.aborted) return { code: 'cancelled', message: 'the call was cancelled' };
  return { code: 'internal', message: reportBug(error) };
}

function printBug(error: unknown): string {
  console.error(visibleBug(error));
  return error instanceof Error ? error.message : String(error);
}

function wireEvent<E extends EventRecord>({ name, sequence, payload }: EventMessage<E>): WireEvent {
  return { name: String(name), sequence, payload };
}
