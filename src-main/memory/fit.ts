// The smallest change of a run after which every device has room for it.
//
// Tried in this order: fewer samples per worker and step (divisors of what is asked for, from the largest down), then lower coverage, then
// both, keeping the coverage as high as it can be. Each gives the smallest change of its kind that fits, or the greatest where none does. What
// is needed falls with both, so the smallest is found by bisection; what it needs is always predicted for the change itself.

export interface Setting {
  /** Samples of one worker and step. */
  microBatch: number;
  /** Holders of each unit. */
  coverage: number;
}

export interface Need {
  device: string;
  neededBytes: number;
  capacityBytes: number;
}

export interface Trial extends Setting {
  /** The device with least room. */
  need: Need;
  fits: boolean;
}

/** `predict`: what every device would need. `coverages`: lower ones that may be tried, highest first. */
export function tryChanges(
  from: Setting,
  coverages: readonly number[],
  predict: (setting: Setting) => readonly Need[],
): Trial[] {
  const attempt = (setting: Setting): Trial => {
    const need = fullest(predict(setting));
    return { ...setting, need, fits: hasRoom(need) };
  };
  const batches = divisorsBelow(from.microBatch);
  const trials = [
    smallest(
      batches.map((microBatch) => ({ ...from, microBatch })),
      attempt,
    ),
    smallest(
      coverages.map((coverage) => ({ ...from, coverage })),
      attempt,
    ),
  ].flatMap((trial) => trial ?? []);
  if (trials.length < 2 || trials.some((trial) => trial.fits)) return trials;
  const coverage = smallest(
    coverages.map((coverage) => ({ coverage, microBatch: 1 })),
    attempt,
  )!;
  if (!coverage.fits) return [...trials, coverage];
  const both = batches.map((microBatch) => ({ microBatch, coverage: coverage.coverage }));
  return [...trials, smallest(both, attempt)!];
}

export const hasRoom = ({ neededBytes, capacityBytes }: Need): boolean => neededBytes <= capacityBytes;

/** The device that uses most of its capacity. */
const fullest = (needs: readonly Need[]): Need =>
  needs.reduce((worst, need) =>
    need.neededBytes / need.capacityBytes > worst.neededBytes / worst.capacityBytes ? need : worst,
  );

/** The first setting that fits, of settings that need less and less; the last where none does. */
function smallest(settings: readonly Setting[], attempt: (setting: Setting) => Trial): Trial | undefined {
  if (settings.length === 0) return undefined;
  let found = attempt(settings.at(-1)!);
  let [low, high] = [0, found.fits ? settings.length - 1 : 0];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const trial = attempt(settings[middle]!);
    if (trial.fits) [found, high] = [trial, middle];
    else low = middle + 1;
  }
  return found;
}

/** Descending. */
const divisorsBelow = (count: number): number[] =>
  Array.from({ length: count - 1 }, (_, index) => count - 1 - index).filter((divisor) => count % divisor === 0);
