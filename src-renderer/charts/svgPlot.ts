// The picture of a comparison as an SVG file that stands by itself: axes, grid, bands, lines and names, with colours for paper.

import { baseOf } from './format.ts';

export interface PictureLine {
  name: string;
  colour: string;
  dash: number[];
  x: readonly number[];
  y: readonly (number | null)[];
  low?: readonly (number | null)[];
  high?: readonly (number | null)[];
}

export interface Picture {
  title: string;
  xName: string;
  yName: string;
  lines: PictureLine[];
  logarithmic: boolean;
  formatX: (value: number) => string;
  formatY: (value: number) => string;
}

const size = { width: 960, height: 540 };
const plot = { left: 80, top: 48, right: 936, bottom: 440 };
const ink = '#172025';
const faint = '#5d6970';

export function svgOf(picture: Picture): string {
  const points = picture.lines.flatMap(({ x, y, low, high }) =>
    x.flatMap((at, row) => [y[row], low?.[row], high?.[row]].map((value) => [at, value] as const)),
  );
  const drawn = points.filter(
    (point): point is [number, number] => typeof point[1] === 'number' && (!picture.logarithmic || point[1] > 0),
  );
  const xs = range(drawn.map(([x]) => x));
  const ys = range(drawn.map(([, y]) => (picture.logarithmic ? Math.log10(y) : y)));
  const toX = (value: number) => plot.left + ((value - xs[0]) / (xs[1] - xs[0])) * (plot.right - plot.left);
  const toY = (value: number) =>
    plot.bottom -
    (((picture.logarithmic ? Math.log10(Math.max(value, 1e-300)) : value) - ys[0]) / (ys[1] - ys[0])) *
      (plot.bottom - plot.top);
  const place = (x: number, y: number) => `${toX(x).toFixed(1)} ${toY(y).toFixed(1)}`;
  const unlog = (value: number) => (picture.logarithmic ? 10 ** value : value);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height + 22 * Math.ceil(picture.lines.length / 3)}" font-family="Inter, system-ui, sans-serif" font-size="13">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    text(plot.left, 28, picture.title, 'start', ink, 16),
    ...ticks(xs, baseOf(picture.formatX)).map(
      (tick) =>
        `<path d="M${toX(tick).toFixed(1)} ${plot.top}V${plot.bottom}" stroke="#e0e2df"/>` +
        text(toX(tick), plot.bottom + 18, picture.formatX(tick), 'middle', faint),
    ),
    ...ticks(ys, picture.logarithmic ? 10 : baseOf(picture.formatY)).map(
      (tick) =>
        `<path d="M${plot.left} ${toY(unlog(tick)).toFixed(1)}H${plot.right}" stroke="#e0e2df"/>` +
        text(plot.left - 8, toY(unlog(tick)) + 4, picture.formatY(unlog(tick)), 'end', faint),
    ),
    text((plot.left + plot.right) / 2, plot.bottom + 40, picture.xName, 'middle', ink),
    text(plot.left, plot.top - 6, picture.yName, 'start', faint),
    ...picture.lines.map((line) => bandPath(line, place)),
    ...picture.lines.map(
      (line) =>
        `<path d="${linePath(line.x, line.y, place, picture.logarithmic)}" fill="none" stroke="${line.colour}" stroke-width="2" stroke-dasharray="${line.dash.join(' ')}"/>`,
    ),
    ...picture.lines.map((line, index) => legend(line, index)),
    '</svg>',
  ].join('\n');
}

function range(values: readonly number[]): [number, number] {
  let [least, most] = [Infinity, -Infinity];
  for (const value of values) [least, most] = [Math.min(least, value), Math.max(most, value)];
  if (!(least <= most)) return [0, 1];
  return most > least ? [least, most] : [least - 0.5, most + 0.5];
}

/** About six round places. */
export function ticks([least, most]: readonly [number, number], base: 2 | 10 = 10): number[] {
  const rough = (most - least) / 6;
  const unit = base ** Math.floor(Math.log(rough) / Math.log(base));
  const step = [1, 2, ...(base === 10 ? [5, 10] : [])].map((factor) => factor * unit).find((one) => one >= rough)!;
  const first = Math.ceil(least / step);
  return Array.from({ length: Math.floor(most / step) - first + 1 }, (_, index) => (first + index) * step);
}

type Place = (x: number, y: number) => string;

function linePath(x: readonly number[], y: readonly (number | null)[], place: Place, logarithmic: boolean): string {
  let pen = 'M';
  return x
    .map((at, row) => {
      const value = y[row] ?? null;
      if (value === null || (logarithmic && value <= 0)) return ((pen = 'M'), '');
      const part = pen + place(at, value);
      pen = 'L';
      return part;
    })
    .join('');
}

function bandPath({ x, low, high, colour }: PictureLine, place: Place): string {
  if (!low || !high) return '';
  const rows = x.map((_, row) => row).filter((row) => typeof low[row] === 'number' && typeof high[row] === 'number');
  if (rows.length < 2) return '';
  const up = rows.map((row) => place(x[row]!, high[row]!));
  const down = rows.toReversed().map((row) => place(x[row]!, low[row]!));
  return `<path d="M${[...up, ...down].join('L')}Z" fill="${colour}" fill-opacity="0.16"/>`;
}

function legend({ name, colour, dash }: PictureLine, index: number): string {
  const x = plot.left + (index % 3) * 290;
  const y = plot.bottom + 68 + 22 * Math.floor(index / 3);
  const shown = name.length > 36 ? `${name.slice(0, 35)}…` : name;
  return (
    `<path d="M${x} ${y - 4}h24" stroke="${colour}" stroke-width="3" stroke-dasharray="${dash.join(' ')}"/>` +
    text(x + 32, y, shown, 'start', ink)
  );
}

function text(x: number, y: number, words: string, anchor: string, fill: string, fontSize = 13): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="${fill}" font-size="${fontSize}">${escaped(words)}</text>`;
}

/** Names may hold anything; what XML has no place for is left out. */
function escaped(words: string): string {
  const legal = words.replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '');
  return legal.replace(/[&<>"']/g, (sign) => `&#${sign.codePointAt(0)};`);
}
