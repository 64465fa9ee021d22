// The one connection to the app: opens it, tells truthfully how it stands, and opens it again after it was lost, waiting longer each time.
//
// `epoch` grows whenever what was known may be out of date: after every (re)connect, and when an event's sequence number shows that one was
// missed. Stores ask again when it does.

import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import type { AppCommands } from '../../src-main/contract/commands.ts';
import { appContract } from '../../src-main/contract/contracts.ts';
import { UserError } from '../../src-main/contract/errors.ts';
import type { AppEvents } from '../../src-main/contract/events.ts';
import type { EventMessage, Params, Result } from '../../src-main/contract/rpc.ts';
import { connect, type CallOptions, type Client } from '../../src-main/transport/client.ts';
import type { Transport } from '../../src-main/transport/transport.ts';
import { errorText } from './messages.ts';

export type AppEvent = EventMessage<AppEvents>;

/** `lost`: waiting for the next attempt; `refused`: no further attempt would help, `problem` says why. */
export type ConnectionStatus = 'connecting' | 'open' | 'lost' | 'refused';

const firstDelayMs = 500;
const longestDelayMs = 10_000;

export const useConnectionStore = defineStore('connection', () => {
  const status = ref<ConnectionStatus>('connecting');
  const problem = ref('');
  const wasOpen = ref(false);
  const retryAt = ref(0);
  const epoch = ref(0);
  const client = shallowRef<Client<AppCommands, AppEvents> | null>(null);
  const listeners = new Set<(event: AppEvent) => void>();
  let makeTransport: () => Transport | Promise<Transport>;
  let delayMs = firstDelayMs;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let lastSequence: number | null = null;

  const isOpen = computed(() => status.value === 'open');

  function start(newTransport: typeof makeTransport): void {
    makeTransport = newTransport;
    void attempt();
  }

  function retryNow(): void {
    if (status.value !== 'lost' && status.value !== 'refused') return;
    clearTimeout(timer);
    void attempt();
  }

  async function attempt(): Promise<void> {
    status.value = 'connecting';
    try {
      opened(await connect(await makeTransport(), appContract));
    } catch (error) {
      problem.value = errorText(error);
      if (error instanceof UserError && error.code === 'disconnected') lost();
      else status.value = 'refused';
    }
  }

  function opened(next: Client<AppCommands, AppEvents>): void {
    client.value = next;
    lastSequence = null;
    delayMs = firstDelayMs;
    for (const name of Object.keys(appContract.events) as (keyof AppEvents)[])
      next.on(name, (payload, sequence) => received({ name, payload, sequence } as AppEvent));
    next.onClose(lost);
    if (status.value !== 'connecting') return;
    epoch.value++;
    wasOpen.value = true;
    problem.value = '';
    status.value = 'open';
  }

  function lost(): void {
    client.value = null;
    status.value = 'lost';
    retryAt.value = Date.now() + delayMs;
    timer = setTimeout(() => void attempt(), delayMs);
    delayMs = Math.min(2 * delayMs, longestDelayMs);
  }

  function received(event: AppEvent): void {
    const missed = lastSequence !== null && event.sequence !== lastSequence + 1;
    lastSequence = event.sequence;
    if (missed) epoch.value++;
    for (const listener of [...listeners]) listener(event);
  }

  /** Every event, in order, for as long as the page lives. */
  function onEvent(listener: (event: AppEvent) => void): void {
    listeners.add(listener);
  }

  async function call<K extends keyof AppCommands>(
    command: K,
    params: Params<AppCommands, K>,
    options?: CallOptions,
  ): Promise<Result<AppCommands, K>> {
    if (!client.value) throw new UserError('disconnected', 'There is no connection to the app.');
    return client.value.call[command](params, options);
  }

  return { status, problem, wasOpen, retryAt, epoch, isOpen, start, retryNow, onEvent, call };
});
