// Texts of a message that name files of the machine that the app runs on. Every one of them has this schema, so that a host that keeps a page
// to one folder (serve/confine.ts) finds them all.

import { z } from 'zod';

/** `words`: what such a text may say that is no path. */
const marks = z.registry<{ words: readonly string[] }>();
/** What a value that a command takes as it comes is checked as later. */
const later = new Map<z.ZodType, z.ZodType>();

export const userPath = (words: readonly string[] = []) =>
  z
    .string()
    .min(1)
    .max(4096)
    .regex(/^[^\0]*$/, 'must not contain a NUL character')
    .register(marks, { words });

export function checkedLater(as: z.ZodType): z.ZodUnknown {
  const taken = z.unknown();
  later.set(taken, as);
  return taken;
}

/** A text that a schema takes, and its place. */
export interface Text {
  /** Keys with dots between them; `*` for any item of a list. */
  key: string;
  isPath: boolean;
}

/** Every free text that a schema takes. */
export function textsOf(schema: z.ZodType, key = ''): Text[] {
  if (schema instanceof z.ZodString) return [{ key, isPath: marks.get(schema) !== undefined }];
  if (schema instanceof z.ZodUnknown && !later.has(schema)) return [{ key, isPath: false }];
  return partsOf(schema).flatMap(({ name, part }) => textsOf(part, joined(key, name)));
}

/** The paths in a value, each with its key. What does not fit the schema is left out. */
export function pathsIn(schema: z.ZodType, value: unknown, key = ''): { key: string; path: string }[] {
  const mark = marks.get(schema);
  if (mark) return typeof value === 'string' && !mark.words.includes(value) ? [{ key, path: value }] : [];
  return partsOf(schema).flatMap(({ name, part }) => {
    if (name === '') return pathsIn(part, value, key);
    if (typeof value !== 'object' || value === null) return [];
    const items =
      name === '*' && Array.isArray(value) ? Object.entries(value) : [[name, valueOf(value, name)] as const];
    return items.flatMap(([item, inner]) => pathsIn(part, inner, joined(key, item)));
  });
}

/** The schemas that a schema is made of; without a name those of the value itself. */
function partsOf(schema: z.ZodType): { name: string; part: z.ZodType }[] {
  const whole = (part: unknown) => [{ name: '', part: part as z.ZodType }];
  if (schema instanceof z.ZodObject)
    return Object.entries(schema.shape).map(([name, part]) => ({ name, part: part as z.ZodType }));
  if (schema instanceof z.ZodArray) return [{ name: '*', part: schema.element as z.ZodType }];
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(whole);
  if (schema instanceof z.ZodUnknown) return whole(later.get(schema) ?? z.null());
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault
  )
    return whole(schema.unwrap());
  if (plain.some((kind) => schema instanceof kind)) return [];
  throw new Error(`a ${schema.def.type} in a message may hold paths; say in partsOf which`);
}

/** What holds no path and no other schema. */
const plain = [z.ZodString, z.ZodNumber, z.ZodBoolean, z.ZodLiteral, z.ZodEnum, z.ZodNull];

const valueOf = (value: object, name: string): unknown =>
  Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
const joined = (key: string, name: string): string => (key === '' || name === '' ? key + name : `${key}.${name}`);
