// The one connection to the app: opens it, tells truthfully how it stands, and opens it again after it was lost, waiting longer each time.
//
// `epoch` grows whenever what was known may be out of date: after every (re)connect, and when an event's sequence number shows that one was
// missed. Stores ask again when it does. What goes on steadily is told at the page's pace (pace.ts).

import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import type { AppCommands } from '../../src-main/contract/commands.ts';
import { appContract } from '../../src-main/contract/contracts.ts';
import { UserError } from '../../src-main/contract/errors.ts';
import type { AppEvents } from '../../src-main/contract/events.ts';
import type { EventMessage, Params, Result } from '../../src-main/contract/rpc.ts';
import type { RunState } from '../../src-main/contract/run.ts';
import { connect, type CallOptions, type Client } from '../../src-main/transport/client.ts';
import type { Transport } from '../../src-main/transport/transport.ts';
import { errorText } from './messages.ts';
import { createPace } from './pace.ts';

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
  let pace = createPace(tell);
  const states = new Map<string, RunState>();

  const isOpen = computed(() => status.value === 'open');

  /** `cost` says what showing events takes (pace.ts). */
  function start(newTransport: typeof makeTransport, cost?: Parameters<typeof createPace>[1]): void {
    makeTransport = newTransport;
    pace = createPace(tell, cost);
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
    pace.receive(event, isSteady(event));
  }

  function tell(event: AppEvent): void {
    for (const listener of [...listeners]) listener(event);
  }

  /** Steps and what is measured beside them; the summary of a run whose state is as it was. */
  function isSteady(event: AppEvent): boolean {
    if (event.name !== 'runChanged')
      return event.name === 'stepsAppended' || event.name === 'memorySampled' || event.name === 'gradientsMeasured';
    const { id, state } = event.payload.summary;
    const before = states.get(id);
    states.set(id, state);
    return state === before;
  }

  /** Every event, in order, for as long as the page lives. */
  function onEvent(listener: (event: AppEvent) => void): void {
    listeners.add(listener);
  }

  /** Events that came before the answer are told before it. */
  async function call<K extends keyof AppCommands>(
    command: K,
    params: Params<AppCommands, K>,
    options?: CallOptions,
  ): Promise<Result<AppCommands, K>> {
    if (!client.value) throw new UserError('disconnected', 'There is no connection to the app.');
    try {
      return await client.value.call[command](params, options);
    } finally {
      pace.flush();
    }
  }

  return { status, problem, wasOpen, retryAt, epoch, isOpen, start, retryNow, onEvent, call };
});
