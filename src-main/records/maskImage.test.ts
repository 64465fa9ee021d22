import { expect, it } from 'vitest';
import { maskImage } from './maskImage.ts';

const block = (id: string, holders: number[]) => ({ id, parameters: 1, size: 1, holders });
const shadeAt = ({ pixels, width }: ReturnType<typeof maskImage>, x: number, y: number) => pixels[y * width + x];

it('is dark where a worker holds a unit', () => {
  const image = maskImage({ units: [block('a', [0]), block('b', [1])], numWorkers: 2 });
  expect([image.width, image.height, image.pixels.length]).toEqual([64, 24, 64 * 24]);
  const cells = [0, 12].map((y) => [0, 32].map((x) => shadeAt(image, x + 10, y + 5)));
  expect(cells).toEqual([
    [0, 255],
    [255, 0],
  ]);
  expect([shadeAt(image, 31, 5), shadeAt(image, 10, 11)]).toEqual([208, 208]);
});

it('has the neurons of a group from left to right, and shares where a pixel has several', () => {
  const half = Array.from({ length: 62 }, (_, at) => at).filter((at) => at < 31 || at % 2 === 0);
  const unit = { id: 'a', parameters: 62, size: 62, holders: [], held: [half, []] };
  const image = maskImage({ units: [unit], numWorkers: 2 });
  expect([shadeAt(image, 3, 2), shadeAt(image, 28, 2), shadeAt(image, 40, 2)]).toEqual([0, 128, 255]);
});

it('stays small however many units there are', () => {
  const units = Array.from({ length: 10_000 }, (_, at) => block(String(at), [at % 256]));
  const { width, height } = maskImage({ units, numWorkers: 256 });
  expect([width, height]).toEqual([2048, 10_000]);
});
