import { expect, test } from 'vitest';
import type { z } from 'zod';
import { importOptions, type DatasetFormat } from '../../src-main/contract/verdict.ts';
import { optionFields, optionValue } from './importFields.ts';

const formats = (importOptions.shape.as.unwrap() as unknown as z.ZodEnum).options as DatasetFormat[];

test('each option is offered for some format, with what the schema says of it', () => {
  const offered = new Set(formats.flatMap((format) => optionFields(format).map(({ key }) => key)));
  expect([...offered].sort()).toEqual(Object.keys(importOptions.shape).sort());
  expect(optionFields('text').map(({ key }) => key)).not.toContain('size');
  expect(optionFields(undefined).map(({ key }) => key)).toEqual(['as', 'skip', 'validation', 'seed']);
  expect(optionFields('idx').find(({ key }) => key === 'channels')).toMatchObject({
    kind: 'choice',
    choices: [1, 3],
    description: '1: grey, 3: colour; default: colour where any image has it',
  });
});

test('what a control holds becomes the value of its option, or an error', () => {
  const valueOf = (key: string, text: string) =>
    optionValue(
      [...optionFields('image-arrays'), ...optionFields('text')].find((field) => field.key === key)!,
      text,
    );
  expect(valueOf('channels', '3')).toBe(3);
  expect(valueOf('size', ' 64 ')).toBe(64);
  expect(valueOf('size', '')).toBeUndefined();
  expect(valueOf('tokenizer', '12')).toBe('12');
  expect(valueOf('range', '-1000:400')).toBe('-1000:400');
  expect(valueOf('range', '4095')).toBeInstanceOf(Error);
  expect(valueOf('validation', '1.5')).toBeInstanceOf(Error);
  expect(valueOf('seed', 'many')).toBeInstanceOf(Error);
});
