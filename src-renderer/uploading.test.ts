import { expect, test } from 'vitest';
import { topPaths } from './uploading.ts';

test('files that were chosen are known by their paths, folders by theirs', () => {
  expect(
    topPaths([
      ['', '/data/a.csv'],
      ['', '/data/b.csv'],
    ]),
  ).toEqual(['/data/a.csv', '/data/b.csv']);
  expect(
    topPaths([
      ['beasts/ant/1.jpg', '/data/beasts/ant/1.jpg'],
      ['beasts/bee/2.jpg', '/data/beasts/bee/2.jpg'],
    ]),
  ).toEqual(['/data/beasts']);
  expect(topPaths([['beasts/ant/1.jpg', 'C:\\data\\beasts\\ant\\1.jpg']])).toEqual(['C:\\data\\beasts']);
});
