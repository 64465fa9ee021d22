// What is asked of a run while it trains: pause, checkpoint now, other devices, stop. The run looks here between two segments of steps.

import { UserError } from '../contract/errors.ts';

export class Requests {
  pause = false;
  stop = false;
  readonly #late = new AbortController();
  /** Aborted when a stop that was asked for waits no longer for what is being planned. */
  readonly late = this.#late.signal;
  #saves: (() => void)[] = [];
  #works: (() => Promise<void>)[] = [];
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

  /** The checkpoint that is being made is for what was asked for until now; the function says that it is written. */
  takeSaves(): () => void {
    const taken = this.#saves.splice(0);
    return () => taken.forEach((resolve) => resolve());
  }

  /** Settles as `work` does, which the run does at its next step boundary. */
  requestWork(work: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#works.push(() => {
        const done = work();
        done.then(resolve, reject);
        return done;
      });
      this.#wake();
    });
  }

  get workWanted(): boolean {
    return this.#works.length > 0;
  }

  /** Does what is wanted; what is refused concerns only who wants it. */
  async work(): Promise<void> {
    for (const work of this.#works.splice(0)) {
      await work().catch((error: unknown) => {
        if (!(error instanceof UserError && error.code === 'conflict')) throw error;
      });
    }
  }

  /** Settles when the run stands still. */
  get paused(): Promise<void> {
    return new Promise((resolve) => this.#waitsForPause.push(resolve));
  }

  /** For the run that stands still: settles at the next request of any kind. */
  standStill(): Promise<void> {
    for (const resolve of this.#waitsForPause.splice(0)) resolve();
    if (this.stop || !this.pause || this.saveWanted || this.workWanted) return Promise.resolve();
    return new Promise((resolve) => (this.#wake = resolve));
  }
}
