// The one connection to the app: opens it, tells truthfully how it stands, and opens it again after it was lost, waiting longer each time.
//
// `epoch` grows whenever what was known may be out of date: after every (re)connect, and when an event's sequence number shows that one was
// missed. Stores ask again when it does. `missed` grows when only progress (steps, memory, gradients) may be: a page that is hidden is not sent
// it, and asks for it when it is visible again.

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
  const missed = ref(0);
  /** Whether the app sends progress: not while the page is hidden. */
  const live = ref(true);
  const client = shallowRef<Client<AppCommands, AppEvents> | null>(null);
  const listeners = new Set<(event: AppEvent) => void>();
  let makeTransport: () => Transport | Promise<Transport>;
  let delayMs = firstDelayMs;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let lastSequence: number | null = null;
  let visible = true;
  /** Whether events are missing since the page was hidden. */
  let hasGap = false;

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
    hasGap = false;
    delayMs = firstDelayMs;
    for (const name of Object.keys(appContract.events) as (keyof AppEvents)[])
      next.on(name, (payload, sequence) => received({ name, payload, sequence } as AppEvent));
    next.onClose(lost);
    if (status.value !== 'connecting') return;
    epoch.value++;
    wasOpen.value = true;
    problem.value = '';
    status.value = 'open';
    live.value = visible;
    if (!visible) void tellVisibility();
  }

  function lost(): void {
    client.value = null;
    status.value = 'lost';
    retryAt.value = Date.now() + delayMs;
    timer = setTimeout(() => void attempt(), delayMs);
    delayMs = Math.min(2 * delayMs, longestDelayMs);
  }

  function received(event: AppEvent): void {
    const isNext = lastSequence === null || event.sequence === lastSequence + 1;
    lastSequence = event.sequence;
    if (!isNext && live.value) epoch.value++;
    else if (!isNext) hasGap = true;
    for (const listener of [...listeners]) listener(event);
  }

  /** A page that never says is visible. */
  function setVisible(next: boolean): void {
    visible = next;
    if (isOpen.value) void tellVisibility();
  }

  async function tellVisibility(): Promise<void> {
    live.value = false;
    try {
      const { sequence } = await call('setVisible', { visible });
      hasGap ||= lastSequence !== null && lastSequence < sequence;
      lastSequence = Math.max(lastSequence ?? 0, sequence);
    } catch {
      // The next connection begins anew.
      return;
    }
    if (!visible) return;
    live.value = true;
    if (hasGap) missed.value++;
    hasGap = false;
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

  return { status, problem, wasOpen, retryAt, epoch, missed, live, isOpen, start, retryNow, setVisible, onEvent, call };
});
