// Reads a run configuration: a YAML file with `--set key=value` on top.
//
// subnetworks.plan is a path: in the file from the file's folder, in `--set` from the current one.

import { dirname, resolve } from 'node:path';
import { LineCounter, parse, parseDocument } from 'yaml';
import { UserError } from '../contract/errors.ts';
import { readSmallText } from '../files/files.ts';
import { parseRunConfig, type RunConfig } from '../contract/runConfig.ts';

/** Fails with one sentence that names the file and line, or the key. */
export async function readConfigFile(path: string, overrides: readonly string[]): Promise<RunConfig> {
  const raw = parseYaml(path, await readText(path));
  resolvePlan(raw, dirname(path));
  return overridden(raw, overrides);
}

/** A configuration with `--set` arguments on top, checked. */
export function overridden(config: object, overrides: readonly string[]): RunConfig {
  const raw = structuredClone(config) as Record<string, unknown>;
  for (const override of overrides) applyOverride(raw, override);
  resolvePlan(raw, '.');
  return parseRunConfig(raw);
}

function resolvePlan({ subnetworks }: Record<string, unknown>, folder: string): void {
  if (isMapping(subnetworks) && typeof subnetworks.plan === 'string')
    subnetworks.plan = resolve(folder, subnetworks.plan);
}

async function readText(path: string): Promise<string> {
  try {
    return await readSmallText(path, 1 << 20);
  } catch (error) {
    const why = (error as Error).message;
    throw new UserError('configuration', `cannot read the configuration ${path}: ${why}`, { cause: error });
  }
}

function parseYaml(path: string, text: string): Record<string, unknown> {
  const lines = new LineCounter();
  const document = understood(path, () => parseDocument(text, { lineCounter: lines, prettyErrors: false }));
  const problem = document.errors[0];
  if (problem) {
    const { line, col } = lines.linePos(problem.pos[0]);
    throw new UserError('configuration', `${path}, line ${line}, column ${col}: ${problem.message}`);
  }
  const raw: unknown = understood(path, () => document.toJS() as unknown);
  if (!isMapping(raw))
    throw new UserError('configuration', `${path} must hold a mapping with the sections model, data, ...`);
  return raw;
}

/** What is YAML and yet cannot be read: aliases that multiply without end, or nesting beyond the stack. */
function understood<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const why = error instanceof RangeError ? 'it is nested too deeply' : (error as Error).message.split('\n')[0];
    throw new UserError('configuration', `${path} cannot be read as a configuration: ${why}`, { cause: error });
  }
}

/** `training.steps=50`; the value is YAML. */
function applyOverride(raw: Record<string, unknown>, override: string): void {
  const [, key, value] = /^([\w.]+)=([^]*)$/.exec(override) ?? [];
  if (key === undefined) throw new UserError('usage', `--set takes key=value, got "${override}"`);
  const path = key.split('.');
  const impossible = path.indexOf('__proto__');
  if (impossible >= 0)
    throw new UserError(
      'configuration',
      `${path.slice(0, impossible + 1).join('.')} is not a key of the run configuration`,
      { key },
    );
  let section = raw;
  for (const name of path.slice(0, -1)) {
    const next = Object.hasOwn(section, name) ? section[name] : undefined;
    if (next !== undefined && !isMapping(next))
      throw new UserError('configuration', `--set ${key}: ${name} is not a section`, { key });
    section = section[name] = next ?? {};
  }
  section[path.at(-1)!] = parseValue(key, value!);
}

function parseValue(key: string, value: string): unknown {
  try {
    return parse(value);
  } catch (error) {
    throw new UserError('configuration', `--set ${key}: ${(error as Error).message.split('\n')[0]}`, {
      key,
      cause: error,
    });
  }
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
