// Colour vision deficiencies are simulated as by Machado, Oliveira and Fernandes (2009), severity 1, in linear RGB; distances are in OKLab.

import { describe, expect, test } from 'vitest';
import { panelColour, withOpacity, workerColour, workerColours, workerDash, type Theme } from './colours.ts';

type Vector = [number, number, number];
type Matrix = [Vector, Vector, Vector];

const visions: Record<string, Matrix> = {
  normal: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
};

function apply(matrix: Matrix, vector: Vector): Vector {
  return matrix.map((row) => row.reduce((sum, weight, index) => sum + weight * vector[index]!, 0)) as Vector;
}

function linear(colour: string): Vector {
  return [1, 3, 5].map((at) => {
    const value = parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as Vector;
}

function oklab(rgb: Vector): Vector {
  const cone: Matrix = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
  ];
  const lab: Matrix = [
    [0.2104542553, 0.793617785, -0.0040720468],
    [1.9779984951, -2.428592205, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.808675766],
  ];
  const clipped = rgb.map((value) => Math.min(1, Math.max(0, value))) as Vector;
  return apply(lab, apply(cone, clipped).map(Math.cbrt) as Vector);
}

function contrast(a: string, b: string): number {
  const luminance = (colour: string) =>
    linear(colour).reduce((sum, v, index) => sum + v * [0.2126, 0.7152, 0.0722][index]!, 0);
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high! + 0.05) / (low! + 0.05);
}

describe.each(['light', 'dark'] as Theme[])('%s', (theme) => {
  const colours = workerColours[theme];

  test('every colour has a contrast of 3 on the panel', () => {
    expect(colours.filter((colour) => contrast(colour, panelColour[theme]) < 3)).toEqual([]);
  });

  test.each(Object.keys(visions))('any two colours stay apart under %s vision', (vision) => {
    const seen = colours.map((colour) => oklab(apply(visions[vision]!, linear(colour))));
    const distances = seen.flatMap((a, i) => seen.slice(i + 1).map((b) => Math.hypot(...a.map((v, k) => v - b[k]!))));
    expect(Math.min(...distances)).toBeGreaterThan(0.09);
  });
});

test('the ninth worker repeats the first colour with another dash', () => {
  expect(workerColour(8, 'light')).toBe(workerColour(0, 'light'));
  expect([workerDash(0), workerDash(8)]).toEqual([[], [6, 3]]);
});

test('opacity becomes two hexadecimal digits', () => {
  expect([withOpacity('#1f6fb4', 0.02), withOpacity('#1f6fb4', 1)]).toEqual(['#1f6fb405', '#1f6fb4ff']);
});
