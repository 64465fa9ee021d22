// Path of the ONNX Runtime library that the npm package onnxruntime-node brings for this platform.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { UserError } from '../contract/errors.ts';

const fileNames: Partial<Record<NodeJS.Platform, string>> = {
  linux: 'libonnxruntime.so.1',
  darwin: 'libonnxruntime.1.dylib',
  win32: 'onnxruntime.dll',
};

export function runtimeLibrary(): string {
  const root = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  const fileName = fileNames[process.platform];
  const path = join(root, 'bin/napi-v6', process.platform, process.arch, fileName ?? '');
  if (fileName === undefined || !existsSync(path)) {
    throw new UserError(
      'device',
      `onnxruntime-node brings no library for ${process.platform} on ${process.arch}; run "npm run setup"`,
    );
  }
  return path;
}
