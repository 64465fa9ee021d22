// TypeScript's view of the addon, made from what the compiled addon says: records.json, the JSON schemas of its records, and index.d.ts, their
// types and those of its functions and handles. Both lie beside the addon and are not in git.

import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const head = (sources) => `// Made by scripts/buildNative.mjs from the Rust sources ${sources}.

/** A record on its way: the record itself. */
type Js<T> = T;

`;

/**
 * @param {string} addon path of the addon
 * @param {string} definitions path of the file in which napi's macros have left what they saw: a line of JSON for each item
 * @param {string} sources fingerprint of the sources
 */
export async function writeNativeTypes(addon, definitions, sources) {
  const folder = join(addon, '..');
  const { $defs } = simplified(JSON.parse(createRequire(import.meta.url)(addon).recordSchemas()));
  const items = readFileSync(definitions, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
  write(join(folder, 'records.json'), `${JSON.stringify({ $defs }, null, 1)}\n`);
  write(join(folder, 'index.d.ts'), head(sources) + (await typesOf($defs, items)));
}

/** Types of records, functions and handles. */
export async function typesOf($defs, items) {
  return [await recordTypes($defs), ...items.map((item) => typeOf(item, items))].join('');
}

/** Whether the types beside the addon were made from these sources. */
export function areTypesOf(sources, addon) {
  const path = join(addon, '../index.d.ts');
  return existsSync(path) && readFileSync(path, 'utf8').startsWith(head(sources));
}

/** Types by name, and `Records` with all of them. */
async function recordTypes($defs) {
  const { compile } = await import('json-schema-to-typescript');
  const names = Object.keys($defs);
  const properties = Object.fromEntries(names.map((name) => [name, { $ref: `#/$defs/${name}` }]));
  const schema = { type: 'object', properties, required: names, $defs: described($defs) };
  return await compile(schema, 'Records', { additionalProperties: false, bannerComment: '' });
}

/**
 * A schema in fewer words: a description is one line, alternatives that are constants are an enum, and what may be absent is never null, as
 * neither side writes null for it.
 */
export function simplified(schema) {
  if (typeof schema !== 'object' || schema === null) return schema;
  if (Array.isArray(schema)) return schema.map(simplified);
  const { oneOf, ...others } = Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [key, simplified(value)]),
  );
  const { description, properties, required = [] } = others;
  if (typeof description === 'string') others.description = description.replaceAll('\n', ' ');
  if (properties !== undefined)
    others.properties = Object.fromEntries(
      Object.entries(properties).map(([name, of]) => [name, required.includes(name) ? of : withoutNull(of)]),
    );
  const constants = oneOf?.flatMap((one) => one.enum ?? one.const ?? [undefined]) ?? [undefined];
  if (!constants.includes(undefined)) return { ...others, type: 'string', enum: constants };
  return oneOf === undefined ? others : { ...others, oneOf };
}

function withoutNull({ type, anyOf, ...others }) {
  if (anyOf !== undefined) {
    const [only, ...more] = anyOf.filter((one) => one.type !== 'null');
    return more.length === 0 ? { ...only, ...others } : { ...others, anyOf: [only, ...more] };
  }
  if (!Array.isArray(type)) return { ...others, type };
  return { ...others, type: type.find((one) => one !== 'null') };
}

/** References with a description of their own: the generator would make a type of its own of each. */
function described(schema) {
  if (typeof schema !== 'object' || schema === null) return schema;
  if (Array.isArray(schema)) return schema.map(described);
  const { $ref, ...others } = schema;
  const own = Object.fromEntries(Object.entries(others).map(([key, value]) => [key, described(value)]));
  if ($ref === undefined) return own;
  return Object.keys(own).length === 0 ? { $ref } : { ...own, allOf: [{ $ref }] };
}

/** Of a class its methods stand in another item. */
function typeOf({ kind, name, js_doc, def }, items) {
  switch (kind) {
    case 'fn':
      return `${js_doc}export declare ${def};\n`;
    case 'interface':
      return `${js_doc}export interface ${name} {\n${def}\n}\n`;
    case 'struct': {
      const methods = items.filter((item) => item.kind === 'impl' && item.name === name).map((item) => item.def);
      return `${js_doc}export declare class ${name} {\nprivate constructor();\n${methods.join('\n')}\n}\n`;
    }
    case 'impl':
      return '';
    default:
      throw new Error(`there is no type for ${kind} ${name} of the addon`);
  }
}

/** At once, so that nobody reads half of it. */
function write(path, text) {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}
