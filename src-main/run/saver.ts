// Checkpoints of a run. One that is due while it trains is written beside the next steps, from a copy of the state in memory; training waits for
// that copy only. Where memory for it is lacking, training waits for the whole.
//
// One is written at a time: the next waits for it, and so does the end of the run.

import { setTimeout as delay } from 'node:timers/promises';
import { UserError } from '../contract/errors.ts';
import type { NativeStore } from '../native.ts';
import { availableMemory } from '../processes/availableMemory.ts';
import { writeCheckpoint } from '../records/checkpoint.ts';
import type { RunRecord } from '../records/runRecord.ts';

/** Of memory that is available: the copy, and a quarter of it for whatever else grows meanwhile. */
const roomForCopy = 1.25;

interface Listeners {
  /** Training waits. */
  onBegin(): Promise<void>;
  /** It is whole. */
  onSaved(step: number): void;
}

export class Saver {
  /** Steps of the newest checkpoint of this run's parameters. */
  savedStep: number | undefined;
  private writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly record: RunRecord,
    private readonly listeners: Listeners,
  ) {}

  /** Writes the store's state after `step` steps, unless there is a checkpoint of it; tries again after each of the pauses. */
  async save(store: NativeStore, step: number, keep: number, pauses: readonly number[]): Promise<void> {
    await this.last();
    if (this.savedStep === step) return;
    await this.listeners.onBegin();
    await patiently(() => this.write(store, step, keep), pauses);
  }

  /**
   * Copies the store's state; returns what settles when the copy is written, in an object so that it is not waited for. Undefined where memory is
   * lacking. `heldFrom`: when training was held, by performance.now().
   */
  async begin(
    store: NativeStore,
    step: number,
    keep: number,
    heldFrom: number,
  ): Promise<{ written: Promise<void> } | undefined> {
    await this.last();
    if (this.savedStep === step) return { written: Promise.resolve() };
    const copied = await this.copy(store);
    if (!copied) return undefined;
    const from = performance.now();
    const held = `held training for ${Math.round(from - heldFrom)} ms, of which copying took ${Math.round(copied.ms)} ms`;
    const written = this.write(copied.copy, step, keep).finally(() => copied.copy.close());
    this.writing = written;
    const tell = () => {
      const seconds = ((performance.now() - from) / 1000).toFixed(2);
      void this.record.folder.log(`the checkpoint of step ${step} ${held}, and was written beside it in ${seconds} s`);
    };
    written.then(tell, () => undefined);
    return { written };
  }

  /** Settles when nothing is written any more; never rejects. */
  async settled(): Promise<void> {
    await this.writing.catch(() => undefined);
  }

  /** Waits for the one before. What a disk has refused was told; anything else fails here. */
  private async last(): Promise<void> {
    await this.writing.catch((error: unknown) => {
      if (!isRefusal(error)) throw error;
    });
  }

  private async copy(store: NativeStore): Promise<{ copy: NativeStore; ms: number } | undefined> {
    if (roomForCopy * store.copyBytes() > availableMemory()) return undefined;
    const from = performance.now();
    const timed = store.copy().then((copy) => ({ copy, ms: performance.now() - from }));
    try {
      return (await Promise.all([timed, this.listeners.onBegin()]))[0];
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return undefined;
    }
  }

  private async write(store: NativeStore, step: number, keep: number): Promise<void> {
    await writeCheckpoint(this.record, store, step, keep);
    this.savedStep = step;
    this.listeners.onSaved(step);
  }
}

/** A disk that refuses to write. */
export const isRefusal = (error: unknown): error is UserError => error instanceof UserError && error.code === 'storage';

/** Does what a disk may refuse, again after each of the pauses. */
export async function patiently(work: () => Promise<void>, pauses: readonly number[]): Promise<void> {
  for (const pause of pauses) {
    try {
      return await work();
    } catch (error) {
      if (!isRefusal(error)) throw error;
      await delay(pause);
    }
  }
  await work();
}
