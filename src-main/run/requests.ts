// What is asked of a run while it trains: pause, checkpoint now, stop. The run looks here between two segments of steps.

export class Requests {
  pause = false;
  stop = false;
  readonly #late = new AbortController();
  /** Aborted when a stop that was asked for waits no longer for what is being planned. */
  readonly late = this.#late.signal;
  #saves: (() => void)[] = [];
  #wake: () => void = () => undefined;
  #waitsForPause: (() => void)[] = [];
  #stopped: () => void = () => undefined;
  readonly stopped = new Promise<void>((resolve) => (this.#stopped = resolve));

  requestStop(): void {
    this.stop = true;
    this.#stopped();
    this.#wake();
  }

  giveUp(): void {
    this.#late.abort();
  }

  setPause(pause: boolean): void {
    this.pause = pause;
    this.#wake();
  }

  /** Settles when the checkpoint is written. */
  requestSave(): Promise<void> {
    return new Promise((resolve) => {
      this.#saves.push(resolve);
      this.#wake();
    });
  }

  get saveWanted(): boolean {
    return this.#saves.length > 0;
  }

  saved(): void {
    for (const resolve of this.#saves.splice(0)) resolve();
  }

  /** Settles when the run stands still. */
  get paused(): Promise<void> {
    return new Promise((resolve) => this.#waitsForPause.push(resolve));
  }

  /** For the run that stands still: settles at the next request of any kind. */
  standStill(): Promise<void> {
    for (const resolve of this.#waitsForPause.splice(0)) resolve();
    if (this.stop || !this.pause || this.saveWanted) return Promise.resolve();
    return new Promise((resolve) => (this.#wake = resolve));
  }
}
