// While the page is used it asks for news, so that who looks closer sees what goes on; unasked it is told more seldom while the CPU trains.

const keptUpMs = 10_000;
const acts = ['pointermove', 'pointerdown', 'keydown', 'wheel'];

/** Asks at the first act of the user, and at intervals until ten seconds after the last. Returns the function that ends it. */
export function askWhileUsed(page: EventTarget, ask: () => void, everyMs: number): () => void {
  let actedAt = 0;
  let timer: ReturnType<typeof setInterval> | undefined;

  function goOn(): void {
    if (performance.now() - actedAt < keptUpMs) ask();
    else rest();
  }

  function rest(): void {
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
  return () => {
    rest();
    for (const act of acts) page.removeEventListener(act, acted, { capture: true });
  };
}
