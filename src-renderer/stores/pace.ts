// When the page is told of what goes on steadily, such as the steps of a run: at once after a silence, and from then on at a pace. Training
// may use every core, and what the page spends on showing it is missing there: so the next turn comes the later, the more the last one
// took. What happens once is told at once, and never before what came earlier.

export interface Pace<E> {
  receive(event: E, steady: boolean): void;
  /** Tells what waits. */
  flush(): void;
}

const quickestMs = 250;
const slowestMs = 1000;
/** Of one core, for showing what goes on steadily. */
const share = 0.01;

/** `cost` calls back with the milliseconds that showing what is told next has taken; it may be left to say nothing. */
export function createPace<E>(
  tell: (event: E) => void,
  cost: (taken: (ms: number) => void) => void = () => undefined,
): Pace<E> {
  let waiting: E[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let toldAt = -Infinity;
  let pauseMs = quickestMs;

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    const events = waiting;
    waiting = [];
    events.forEach(tell);
  }

  function turn(): void {
    toldAt = performance.now();
    cost((ms) => (pauseMs = Math.min(slowestMs, Math.max(quickestMs, ms / share))));
    flush();
  }

  function receive(event: E, steady: boolean): void {
    waiting.push(event);
    if (!steady) flush();
    else timer ??= setTimeout(turn, Math.max(0, toldAt + pauseMs - performance.now()));
  }

  return { receive, flush };
}
