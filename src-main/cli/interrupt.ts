// Ctrl-C and SIGTERM: the first asks to end in order, a later one ends at once.
//
// Under npm a terminal's Ctrl-C arrives twice within moments, from the terminal and from npm: what follows closely counts as the same.

const sameMs = 1000;

/** Returns the function that stops listening. */
export function onInterrupt(first: () => void): () => void {
  let firstAt: number | undefined;
  const listener = () => {
    const now = Date.now();
    if (firstAt === undefined) {
      firstAt = now;
      first();
    } else if (now - firstAt > sameMs) process.exit(1);
  };
  process.on('SIGINT', listener).on('SIGTERM', listener);
  return () => void process.off('SIGINT', listener).off('SIGTERM', listener);
}
