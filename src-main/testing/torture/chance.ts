// Choices at random that a seed repeats.

import { randomSource } from '../random.ts';

export class Chance {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = randomSource(seed);
    // The first numbers of close seeds are close.
    for (let skipped = 0; skipped < 8; skipped++) this.#next();
  }

  /** An integer in [0, n). */
  below(n: number): number {
    return Math.min(n - 1, Math.floor(this.#next() * n));
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  weighted<T extends { weight: number }>(choices: readonly T[]): T {
    let left = this.#next() * choices.reduce((sum, { weight }) => sum + weight, 0);
    return choices.find(({ weight }) => (left -= weight) < 0) ?? choices.at(-1)!;
  }

  /** A generator of its own, so that what happens with it moves no other choice. */
  fork(): Chance {
    return new Chance(1 + this.below(2 ** 30));
  }
}
