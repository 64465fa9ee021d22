// Colours of workers: eight that stay apart under protanopia and deuteranopia and keep a contrast of 3 on the panel, per theme; checked in
// colours.test.ts. Further workers repeat them with another dash, and every mark also carries the worker's number.

export type Theme = 'light' | 'dark';

export const workerColours: Record<Theme, readonly string[]> = {
  light: ['#1f6fb4', '#dd7a12', '#0f8f76', '#7a1f52', '#715b13', '#7a87ec', '#543595', '#374300'],
  dark: ['#5aa9e6', '#f29a3f', '#37c2a2', '#c45a97', '#f2e15f', '#7a78dd', '#b5e7fe', '#307609'],
};

/** Background of the panels that the colours stand on; the same as --panel in styles/tokens.css. */
export const panelColour: Record<Theme, string> = { light: '#ffffff', dark: '#161c20' };

const dashes: readonly number[][] = [[], [6, 3], [2, 3], [8, 3, 2, 3]];

export function workerColour(worker: number, theme: Theme): string {
  const colours = workerColours[theme];
  return colours[worker % colours.length]!;
}

/** Dash of a worker's line, in CSS pixels; empty for a solid one. */
export function workerDash(worker: number): number[] {
  return dashes[Math.floor(worker / workerColours.light.length) % dashes.length]!;
}

/** A `#rrggbb` colour with an opacity in [0, 1]. */
export function withOpacity(colour: string, opacity: number): string {
  return (
    colour +
    Math.round(opacity * 255)
      .toString(16)
      .padStart(2, '0')
  );
}
