// A run's loss as a small picture for lists: means over equal stretches of steps, at most 48 of them. When it is full, two stretches
// become one. A stretch with a loss that is not finite has no mean (null): nothing is averaged away.

import type { LossCurve } from '../contract/run.ts';

const most = 48;

interface Stretch {
  sum: number;
  count: number;
}

export class LossCurveBuilder {
  #every: number;
  #stretches: Stretch[];

  /** Goes on with a curve from step `from`; what it had of later steps is dropped. */
  constructor({ every, means }: LossCurve, from: number) {
    this.#every = every;
    this.#stretches = means.slice(0, Math.ceil(from / every)).map((mean, index) => {
      const count = Math.min(every, from - index * every);
      return { sum: (mean ?? NaN) * count, count };
    });
  }

  /** `losses` of the workers at a step, in order of step. */
  add(step: number, losses: readonly (number | null)[]): void {
    while (Math.floor(step / this.#every) >= most) this.#halve();
    const stretch = (this.#stretches[Math.floor(step / this.#every)] ??= { sum: 0, count: 0 });
    stretch.sum += losses.reduce<number>((sum, loss) => sum + (loss ?? NaN), 0) / losses.length;
    stretch.count += 1;
  }

  get value(): LossCurve {
    const means = Array.from(this.#stretches, (stretch) => meanOf(stretch));
    return { every: this.#every, means };
  }

  #halve(): void {
    const pairs = Array.from({ length: Math.ceil(this.#stretches.length / 2) }, (_, pair) => pair);
    // A lost device may have taken the records of steps along.
    const at = (index: number) => this.#stretches[index] ?? { sum: 0, count: 0 };
    this.#stretches = pairs.map((pair) => {
      const [first, second] = [at(2 * pair), at(2 * pair + 1)];
      return { sum: first.sum + second.sum, count: first.count + second.count };
    });
    this.#every *= 2;
  }
}

function meanOf(stretch: Stretch | undefined): number | null {
  const mean = stretch && stretch.count > 0 ? stretch.sum / stretch.count : NaN;
  return Number.isFinite(mean) ? Number(mean.toPrecision(4)) : null;
}
