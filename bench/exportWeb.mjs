// Runs an ONNX model in onnxruntime-web, for export_check.py, which puts this file beside the package. Arguments: model, input, f32 or i64,
// shape (with commas), output; input and output are raw and little-endian, and the output is what `logits` is, as f32.

import { readFileSync, writeFileSync } from 'node:fs';
import * as runtime from 'onnxruntime-web';

const [model, input, kind, shape, output] = process.argv.slice(2);
runtime.env.logLevel = 'error';
runtime.env.wasm.numThreads = 1;
const session = await runtime.InferenceSession.create(Uint8Array.from(readFileSync(model)), {
  executionProviders: ['wasm'],
});
const { buffer } = new Uint8Array(readFileSync(input));
const dims = shape.split(',').map(Number);
const given =
  kind === 'i64'
    ? new runtime.Tensor('int64', new BigInt64Array(buffer), dims)
    : new runtime.Tensor('float32', new Float32Array(buffer), dims);
const { logits } = await session.run({ input: given });
writeFileSync(output, new Uint8Array(logits.data.buffer, logits.data.byteOffset, logits.data.byteLength));
