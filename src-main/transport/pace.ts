// Events on their way to a page. Periodic ones, such as the steps of a run, go in one message, at most once a second: the first after a
// silence at once. The others go at once, behind what waits. The order is always that of the events.

export interface Pace<E> {
  add(event: E, isPeriodic: boolean): void;
  /** Sends what waits. */
  flush(): void;
  /** Drops what waits. */
  stop(): void;
}

export const periodMs = 1000;

export function createPace<E>(send: (events: E[]) => void): Pace<E> {
  let waiting: E[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let sentAt = -Infinity;

  function add(event: E, isPeriodic: boolean): void {
    waiting.push(event);
    if (isPeriodic) timer ??= setTimeout(flush, Math.max(0, sentAt + periodMs - performance.now()));
    else flush();
  }

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    if (waiting.length === 0) return;
    sentAt = performance.now();
    const events = waiting;
    waiting = [];
    send(events);
  }

  function stop(): void {
    clearTimeout(timer);
    waiting = [];
  }

  return { add, flush, stop };
}
