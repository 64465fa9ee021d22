// A curve of means as one SVG path in a box: x by steps of the whole run, y from the largest mean at the top to the smallest at the bottom.

import type { LossCurve } from '../../src-main/contract/run.ts';

export function sparkPath({ every, means }: LossCurve, steps: number, width: number, height: number): string {
  const known = means.filter((mean) => mean !== null);
  if (known.length === 0) return '';
  const [least, most] = [Math.min(...known), Math.max(...known)];
  const y = (mean: number) => (most > least ? (height * (most - mean)) / (most - least) : height / 2);
  const x = (index: number) => (width * Math.min(steps, (index + 0.5) * every)) / Math.max(1, steps);
  let pen = 'M';
  return means
    .map((mean, index) => {
      if (mean === null) return ((pen = 'M'), '');
      const part = `${pen}${x(index).toFixed(1)} ${y(mean).toFixed(1)}`;
      pen = 'L';
      return means[index + 1] === undefined || means[index + 1] === null ? `${part}h0.1` : part;
    })
    .join('');
}
