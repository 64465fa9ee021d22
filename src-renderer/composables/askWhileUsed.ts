// While the page is used it asks for news, so that who looks closer sees what goes on live; unasked it is told more seldom while the CPU trains.

const everyMs = 1000;
const keptUpMs = 10_000;
const acts = ['pointermove', 'pointerdown', 'keydown', 'wheel'];

/** Asks at the first act of the user, and once a second until ten seconds after the last. */
export function askWhileUsed(page: EventTarget, ask: () => void): void {
  let actedAt = 0;
  let timer: ReturnType<typeof setInterval> | undefined;

  function goOn(): void {
    if (performance.now() - actedAt < keptUpMs) return ask();
    clearInterval(timer);
    timer = undefined;
  }

  function acted(): void {
    actedAt = performance.now();
    if (timer !== undefined) return;
    ask();
    timer = setInterval(goOn, everyMs);
  }

  for (const act of acts) page.addEventListener(act, acted, { capture: true, passive: true });
}
