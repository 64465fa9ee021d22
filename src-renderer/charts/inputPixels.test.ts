import { expect, test } from 'vitest';
import { centredIn, coverBox, inkBox, modelPixels } from './inputPixels.ts';

test('ink is found and brought to the middle', () => {
  const rgba = new Uint8ClampedArray(4 * 4 * 3);
  rgba[4 * (1 * 4 + 2)] = 255;
  rgba[4 * (2 * 4 + 2)] = 255;
  expect(inkBox(rgba, 4)).toEqual({ x: 2, y: 1, width: 1, height: 2 });
  expect(inkBox(new Uint8ClampedArray(16), 2)).toBeNull();
  expect(centredIn({ x: 2, y: 1, width: 1, height: 2 }, 28, 28)).toEqual({ x: 9, y: 4, width: 10, height: 20 });
});

test('a wide image is cut at its sides', () => {
  expect(coverBox(200, 100, 32, 32)).toEqual({ x: 50, y: 0, width: 100, height: 100 });
});

test('pixels become channels', () => {
  const rgba = Uint8ClampedArray.of(255, 0, 0, 255, 9, 9, 9, 255);
  expect([...modelPixels(rgba, 1, false)]).toEqual([76, 9]);
  expect([...modelPixels(rgba, 1, true)]).toEqual([179, 246]);
  expect([...modelPixels(rgba, 3, false)]).toEqual([255, 9, 0, 9, 0, 9]);
});
