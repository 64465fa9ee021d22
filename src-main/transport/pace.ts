// When the other side is told of what goes on steadily, such as the steps of a run: at once after a silence, and from then on after a pause
// each time, all of it together. Training may use every core, and whatever wakes a page and has it drawn is missing there. What happens once
// is told at once, and never before what came earlier.

export interface Pace<E> {
  /** `pauseMs`: from what was told last to this; 0 for what happens once. */
  receive(event: E, pauseMs: number): void;
  /** Tells what waits. */
  flush(): void;
  /** Drops what waits. */
  stop(): void;
}

/** More than a run tells in a pause; so that no message becomes large. */
const mostWaiting = 300;

export function createPace<E>(tell: (events: E[]) => void): Pace<E> {
  let waiting: E[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let toldAt = -Infinity;

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    if (waiting.length === 0) return;
    toldAt = performance.now();
    const events = waiting;
    waiting = [];
    tell(events);
  }

  function receive(event: E, pauseMs: number): void {
    waiting.push(event);
    if (pauseMs === 0 || waiting.length >= mostWaiting) flush();
    else timer ??= setTimeout(flush, Math.max(0, toldAt + pauseMs - performance.now()));
  }

  function stop(): void {
    clearTimeout(timer);
    waiting = [];
  }

  return { receive, flush, stop };
}
