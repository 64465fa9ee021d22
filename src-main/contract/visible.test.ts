import { expect, it } from 'vitest';
import { visible, visibleBug, visibleJson } from './visible.ts';

const hostile = 'a\u001b]0;title\u0007\u009b2J\nb\t\u202ec\u007f Ä 漢 👍';

it('spells out what acts on a terminal, and nothing else', () => {
  expect(visible(hostile)).toBe('a\\x1b]0;title\\x07\\x9b2J\\nb\\t\\u202ec\\x7f Ä 漢 👍');
});

it('leaves JSON the same value', () => {
  const text = visibleJson({ name: hostile });
  expect(JSON.parse(text)).toEqual({ name: hostile });
  expect(visible(text)).toBe(text);
});

it('tells of an exception with its causes, of which no line looks like one of ours', () => {
  const text = visibleBug(new Error('no room\nsdp: all is well', { cause: new Error(hostile) }));
  expect(text).toMatch(/^Error: no room\n {2}sdp: all is well\n {2} +at [^]+\ncaused by Error: a\\x1b/);
});
