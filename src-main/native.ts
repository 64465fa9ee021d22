// The Rust addon. The only file that loads it. Its types come from the Rust sources (scripts/lib/nativeTypes.mjs).
//
// Shapes and units: sizes of tensors in scalars (float32), memory in bytes, times in milliseconds. Everything big stays in Rust: paths,
// offsets and handles cross, tensors do not. The addon puts a code of contract/errors.ts in front of its messages ("storage: ..."); what is
// called through here throws them as UserErrors. Handles have an idempotent close(); use after close is an error.

import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type * as addonTypes from '../native/binding/index.d.ts';
import { UserError, type ErrorCode } from './contract/errors.ts';
import { quietEnvironment } from './contract/quiet.ts';

export type * from '../native/binding/index.d.ts';

type NativeAddon = typeof addonTypes;

/** Version of the interface that this app is made for. */
const nativeVersion = 18;

let addon: NativeAddon | undefined;

/** Loads the addon once. Fails with a `device` error that names the remedy where it was not built. */
export function native(): NativeAddon {
  if (addon) return addon;
  // Whoever loads the addon may load the runtime through it.
  Object.assign(process.env, quietEnvironment);
  const path = addonPath();
  const loaded = load(path);
  if (loaded.interfaceVersion() !== nativeVersion)
    throw new UserError(
      'device',
      `the Rust addon is of another version than the app; run "npm run setup" to rebuild it`,
    );
  addon = translated(loaded);
  return addon;
}

function load(path: string): NativeAddon {
  try {
    return createRequire(import.meta.url)(path) as NativeAddon;
  } catch (error) {
    const { message } = error as Error;
    // Building it again does not help against a limit.
    const isLimited = /cannot allocate memory|failed to map|cannot open shared object file: Too many open files/i.test(
      message,
    );
    const remedy = isLimited
      ? 'raise the limit of memory or of open files (ulimit -v, -d, -n)'
      : 'run "npm run setup" to build it for this machine';
    throw new UserError('device', `the Rust addon ${path} cannot be loaded (${message}); ${remedy}`, { cause: error });
  }
}

/** `native/binding/sdp.node`, seen from the sources (src-main/) and from the built app (out/main/ or its chunks). */
function addonPath(): string {
  for (const up of ['..', '../..', '../../..']) {
    const path = join(import.meta.dirname, up, 'native/binding/sdp.node');
    if (existsSync(path)) return path;
  }
  throw new UserError('device', `the Rust addon is not built; run "npm run setup"`);
}

/** The addon or one of its handles, with errors as user errors. */
function translated<T extends object>(target: T): T {
  return new Proxy(target, {
    get(_, name) {
      const member: unknown = Reflect.get(target, name);
      return typeof member === 'function' ? (...args: unknown[]) => call(target, member as Method, args) : member;
    },
  });
}

type Method = (...args: unknown[]) => unknown;

function call(target: object, method: Method, args: unknown[]): unknown {
  try {
    const result: unknown = Reflect.apply(method, target, args);
    return result instanceof Promise ? result.then(translatedHandle, fail) : translatedHandle(result);
  } catch (error) {
    return fail(error);
  }
}

/** Records and arrays pass as they are; instances of the addon's classes are wrapped. */
function translatedHandle(result: unknown): unknown {
  const isHandle = typeof result === 'object' && result !== null && /^Native/.test(result.constructor.name);
  return isHandle ? translated(result) : result;
}

/** Restores the code that the addon puts in front of its messages, and the file that it puts behind; anything else is thrown as it is. */
function fail(error: unknown): never {
  const coded = /^(configuration|data|device|storage|checkpoint|conflict|cancelled): ([^\0]*)(?:\0([^]*))?$/;
  const match = error instanceof Error ? coded.exec(error.message) : null;
  throw match ? new UserError(match[1] as ErrorCode, match[2]!, { key: match[3] || undefined, cause: error }) : error;
}
