import { expect, it } from 'vitest';
import { typesOf } from './nativeTypes.mjs';

it('gives each record one type, however often it is told of, and each class its methods', async () => {
  const point = { type: 'object', properties: { x: { type: 'number' } }, required: ['x'] };
  const named = (description) => ({ $ref: '#/$defs/Point', description });
  const line = { type: 'object', properties: { from: named('Start.'), to: named('End.') }, required: ['from', 'to'] };
  const items = [
    { kind: 'struct', name: 'Pen', js_doc: '/** Draws. */\n', def: '' },
    { kind: 'fn', name: 'open', js_doc: '', def: 'function open(): Pen' },
    { kind: 'impl', name: 'Pen', js_doc: '', def: 'draw(line: Js<Line>): void' },
  ];
  const types = await typesOf({ Line: line, Point: point }, items);
  expect(types.match(/interface \w+/g)).toEqual(['interface Records', 'interface Line', 'interface Point']);
  expect(types).toContain('   * End.\n   */\n  to: Point;');
  expect(types).toContain(
    '/** Draws. */\nexport declare class Pen {\nprivate constructor();\ndraw(line: Js<Line>): void\n}',
  );
  expect(types).toContain('export declare function open(): Pen;');
  await expect(typesOf({}, [{ kind: 'const', name: 'x' }])).rejects.toThrow(
    'there is no type for const x of the addon',
  );
});
