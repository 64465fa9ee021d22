import { expect, it } from 'vitest';
import { Speeds } from './speeds.ts';

const devices = [
  { id: 'cpu:0', workers: [0, 1] },
  { id: 'cpu:1', workers: [2, 3] },
];
const steps = (count: number, ...ms: number[]) => ({
  step: Array.from({ length: count }, (_, index) => index),
  computeMs: ms.map((one) => new Array<number>(count).fill(one)),
});

it('finds shares that make steps shorter, once enough steps were measured', () => {
  const speeds = new Speeds([100, 100, 100, 100]);
  speeds.add(steps(19, 10, 10, 40, 40));
  expect(speeds.worthwhile(devices)).toBeUndefined();
  speeds.add(steps(1, 10, 10, 40, 40));
  expect(speeds.worthwhile(devices)).toEqual({ 'cpu:0': 10, 'cpu:1': 2.5 });
  speeds.reset();
  expect(speeds.worthwhile(devices)).toBeUndefined();
});

it.each([
  ['devices that are alike', [10, 12, 11, 10]],
  ['one that is faster, but not by a worker', [10, 10, 13, 13]],
  ['workers that were not timed', [0, 0, 0, 0]],
])('leaves %s as they are', (_, ms) => {
  const speeds = new Speeds([100, 100, 100, 100]);
  speeds.add(steps(30, ...ms));
  expect(speeds.worthwhile(devices)).toBeUndefined();
});

it('tells a slow device from workers that have more to do', () => {
  const speeds = new Speeds([100, 100, 400, 400]);
  speeds.add(steps(30, 10, 10, 40, 40));
  expect(speeds.worthwhile(devices)).toBeUndefined();
});

it('leaves one device alone', () => {
  const speeds = new Speeds([1, 1]);
  speeds.add(steps(30, 1, 9));
  expect(speeds.worthwhile([{ id: 'cpu:0', workers: [0, 1] }])).toBeUndefined();
});
