// A state that is loaded once and then kept up by events. Events that come while it loads wait and are applied after it, so none is lost.

export interface Feed<E> {
  /** Loads and applies; a later call makes an earlier one void. Fails as `load` does. */
  reload(): Promise<void>;
  receive(event: E): void;
  /** Drops what is loading and what waits. */
  stop(): void;
}

export function createFeed<S, E>(
  load: () => Promise<S>,
  replace: (state: S) => void,
  apply: (event: E) => void,
): Feed<E> {
  let waiting: E[] | null = null;
  let generation = 0;

  async function reload(): Promise<void> {
    const mine = ++generation;
    waiting = [];
    try {
      const state = await load();
      if (mine !== generation) return;
      replace(state);
      for (const event of waiting) apply(event);
    } catch (error) {
      if (mine === generation) throw error;
    } finally {
      if (mine === generation) waiting = null;
    }
  }

  return {
    reload,
    receive: (event) => void (waiting ? waiting.push(event) : apply(event)),
    stop: () => void (generation++, (waiting = null)),
  };
}
