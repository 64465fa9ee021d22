// Runs an ONNX model in onnxruntime-web, for export_check.py, which puts this file beside the package. Arguments: model, output, and of each
// input its name, f32 or i64, shape (with commas) and file; files are raw and little-endian, and the output is what `logits` is, as f32.

import { readFileSync, writeFileSync } from 'node:fs';
import * as runtime from 'onnxruntime-web';

const [model, output, ...inputs] = process.argv.slice(2);
runtime.env.logLevel = 'error';
runtime.env.wasm.numThreads = 1;
const session = await runtime.InferenceSession.create(Uint8Array.from(readFileSync(model)), {
  executionProviders: ['wasm'],
});
const feeds = {};
for (let at = 0; at < inputs.length; at += 4) {
  const [name, kind, shape, file] = inputs.slice(at, at + 4);
  const { buffer } = new Uint8Array(readFileSync(file));
  const dims = shape.split(',').map(Number);
  feeds[name] =
    kind === 'i64'
      ? new runtime.Tensor('int64', new BigInt64Array(buffer), dims)
      : new runtime.Tensor('float32', new Float32Array(buffer), dims);
}
const { logits } = await session.run(feeds);
writeFileSync(output, new Uint8Array(logits.data.buffer, logits.data.byteOffset, logits.data.byteLength));
