// What is wrong with data that a schema refuses, as the end of a sentence or a sentence about a key. Parse with `reportInput`.

import type { z } from 'zod';
import { shown } from './plainData.ts';

/** `summary.step must be a number, got "x"`; about `whole` where the data as such is at fault. */
export function faultOf({ issues: [issue] }: z.ZodError, whole = 'the content'): string {
  return `${issue!.path.map(String).join('.') || whole} ${problemOf(issue!)}`;
}

/** Without the key. */
export function problemOf(issue: z.core.$ZodIssue): string {
  if (issue.input === undefined) return 'is missing';
  const found = shown(issue.input);
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${typeNames[issue.expected] ?? issue.expected}, got ${found}`;
    case 'invalid_value':
      return `must be ${issue.values.map(String).join(' or ')}, got ${found}`;
    case 'too_small':
      return `must be ${issue.inclusive ? 'at least' : 'above'} ${issue.minimum}, got ${found}`;
    case 'too_big':
      return `must be ${issue.inclusive ? 'at most' : 'below'} ${issue.maximum}, got ${found}`;
    case 'unrecognized_keys':
      return `has the key ${issue.keys[0]}, which is not known`;
    case 'invalid_union': {
      const found = issue.discriminator && (issue.input as Record<string, unknown>)[issue.discriminator];
      return found === undefined ? 'is missing' : `has a value that is not known, ${shown(found)}`;
    }
    default:
      return `${issue.message}, got ${found}`;
  }
}

const typeNames: Record<string, string> = {
  int: 'an integer',
  number: 'a number',
  string: 'text',
  object: 'a section with keys',
  array: 'a list',
  boolean: 'true or false',
};
