// The typed client of a contract, for the page, the main process and tests alike. Every call settles: with its result, with the server's
// error as a UserError, with `cancelled` at once when its signal fires, or with `disconnected` when the peer is gone.

import { UserError, type ErrorCode } from '../contract/errors.ts';
import type { CommandRecord, Contract, EventRecord, Params, Result } from '../contract/rpc.ts';
import type { z } from 'zod';
import { serverMessage, type ClientMessage, type ServerMessage, type WireError, type WireEvent } from './envelope.ts';
import type { Transport } from './transport.ts';

export interface CallOptions {
  signal?: AbortSignal;
}

export interface Client<C extends CommandRecord, E extends EventRecord> {
  call: { [K in keyof C]: (params: Params<C, K>, options?: CallOptions) => Promise<Result<C, K>> };
  /** Returns the function that ends the subscription. Subscribe before asking for a snapshot, so that no event falls between. */
  on<K extends keyof E>(event: K, listener: (payload: z.output<E[K]>, sequence: number) => void): () => void;
  /** Called once, when the connection has ended, whichever side ended it; at once if it already has. */
  onClose(listener: () => void): void;
  close(): void;
}

/** Opens with the version handshake; fails with `conflict` where the versions differ, `disconnected` where the peer is gone or silent. */
export async function connect<C extends CommandRecord, E extends EventRecord>(
  transport: Transport,
  contract: Contract<C, E>,
  { timeoutMs = 60_000 }: { timeoutMs?: number } = {},
): Promise<Client<C, E>> {
  const connection = new Connection(transport);
  await connection.greet(contract.version, timeoutMs);
  const names = Object.keys(contract.commands);
  const calls = names.map((name) => [
    name,
    (params: unknown, options?: CallOptions) => connection.call(name, params, options),
  ]);
  return {
    call: Object.fromEntries(calls) as Client<C, E>['call'],
    on: (event, listener) => connection.on(String(event), listener as Listener),
    onClose: (listener) => transport.onClose(listener),
    close: () => transport.close(),
  };
}

type Listener = (payload: unknown, sequence: number) => void;

interface Pending {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

class Connection {
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Map<string, Set<Listener>>();
  #nextId = 0;
  #closed = false;
  #greeting: ((answer: ServerMessage | undefined) => void) | undefined;

  constructor(readonly transport: Transport) {
    transport.onClose(() => this.#end());
    transport.onMessage((message) => this.#receive(message));
  }

  async greet(version: string, timeoutMs: number): Promise<void> {
    let isSilent = false;
    const answer = await new Promise<ServerMessage | undefined>((resolve) => {
      const timer = setTimeout(() => {
        isSilent = true;
        this.transport.close();
      }, timeoutMs);
      this.#greeting = (message) => {
        clearTimeout(timer);
        this.#greeting = undefined;
        resolve(message);
      };
      if (this.#closed) this.#greeting(undefined);
      else this.#send({ type: 'hello', version });
    });
    if (answer?.type === 'welcome' && answer.version === version) return;
    this.transport.close();
    if (answer?.type === 'refused') throw differentVersions(version, answer.version);
    throw isSilent ? silent(timeoutMs) : disconnected();
  }

  call(command: string, params: unknown, { signal }: CallOptions = {}): Promise<unknown> {
    if (this.#closed) return Promise.reject(disconnected());
    if (signal?.aborted) return Promise.reject(cancelled());
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const cancel = (): void => {
        this.#send({ type: 'cancel', id });
        this.#take(id)?.reject(cancelled());
      };
      const stopListening = (): void => signal?.removeEventListener('abort', cancel);
      this.#pending.set(id, {
        resolve: (result) => (stopListening(), resolve(result)),
        reject: (error) => (stopListening(), reject(error)),
      });
      signal?.addEventListener('abort', cancel);
      try {
        this.#send({ type: 'call', id, command, params });
      } catch (notClonable) {
        this.#take(id)?.reject(notClonable as Error);
      }
    });
  }

  on(event: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  #receive(raw: unknown): void {
    const { data: message } = serverMessage.safeParse(raw);
    if (!message || (this.#greeting && message.type !== 'welcome' && message.type !== 'refused'))
      return this.transport.close();
    if (message.type === 'reply') this.#take(message.id)?.resolve(message.result);
    else if (message.type === 'failure') this.#take(message.id)?.reject(fromWire(message.error));
    else if (message.type === 'events') message.events.forEach((event) => this.#tell(event));
    else this.#greeting?.(message);
  }

  #tell({ name, payload, sequence }: WireEvent): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) listener(payload, sequence);
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  #end(): void {
    this.#closed = true;
    this.#greeting?.(undefined);
    for (const id of [...this.#pending.keys()]) this.#take(id)?.reject(disconnected());
  }

  #send(message: ClientMessage): void {
    this.transport.send(message);
  }
}

function fromWire({ code, message, key }: WireError): UserError {
  return new UserError(code as ErrorCode, message, { key });
}

function disconnected(): UserError {
  return new UserError('disconnected', 'the other side of the connection went away');
}

function silent(timeoutMs: number): UserError {
  const sentence = `the other side did not answer within ${timeoutMs / 1000} s; the machine may be very busy, try again`;
  return new UserError('disconnected', sentence);
}

function cancelled(): UserError {
  return new UserError('cancelled', 'the call was cancelled');
}

function differentVersions(here: string, there: string): UserError {
  return new UserError('conflict', `this side speaks ${here}, the other ${there}; restart the app and reload the page`);
}
