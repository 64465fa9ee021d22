// The one source of a server's events: numbers them from 1 and hands each to every subscriber, in order.

import type { z } from 'zod';
import type { EventMessage, EventRecord } from '../contract/rpc.ts';

export class EventHub<E extends EventRecord> {
  #sequence = 0;
  readonly #listeners = new Set<(event: EventMessage<E>) => void>();

  /** Number of the last event; 0 before the first. */
  get sequence(): number {
    return this.#sequence;
  }

  emit<K extends keyof E>(name: K, payload: z.output<E[K]>): void {
    const event: EventMessage<E> = { name, sequence: ++this.#sequence, payload };
    for (const listener of [...this.#listeners]) listener(event);
  }

  /** Returns the function that ends the subscription. */
  subscribe(listener: (event: EventMessage<E>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
