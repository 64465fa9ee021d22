import { describe, expect, it } from 'vitest';
import { randomSource } from '../testing/random.ts';
import { Blocks, type Block } from './blocks.ts';

const unit = 256;

describe('Blocks', () => {
  it('takes the smallest free block that fits and splits it', () => {
    const blocks = new Blocks();
    const [a, , c] = [4, 1, 2, 1].map((units) => blocks.take(units * unit));
    blocks.giveBack(a!);
    blocks.giveBack(c!);
    expect([unit + 1, 3, 3 * unit].map((bytes) => blocks.take(bytes).start)).toEqual([5 * unit, 0, unit]);
    expect(blocks.peak).toBe(8 * unit);
  });

  it('joins neighbours, and shrinks where the end is freed', () => {
    const blocks = new Blocks();
    const taken = Array.from({ length: 5 }, () => blocks.take(unit));
    [0, 2, 1].forEach((index) => blocks.giveBack(taken[index]!));
    expect(blocks.take(3 * unit).start).toBe(0);
    [3, 4].forEach((index) => blocks.giveBack(taken[index]!));
    expect([blocks.take(2 * unit).start, blocks.peak]).toEqual([3 * unit, 5 * unit]);
  });

  it('never gives out memory twice, whatever the order', () => {
    const random = randomSource(3);
    const blocks = new Blocks();
    const used: Block[] = [];
    for (let round = 0; round < 2000; round++) {
      if (random() < 0.55) {
        const block = blocks.take(1 + Math.floor(random() * 20 * unit));
        expect(used.some(({ start, size }) => block.start < start + size && start < block.start + block.size)).toBe(
          false,
        );
        used.push(block);
      } else if (used.length > 0) blocks.giveBack(used.splice(Math.floor(random() * used.length), 1)[0]!);
    }
    used.forEach((block) => blocks.giveBack(block));
    expect(blocks.take(unit).start).toBe(0);
  });
});
