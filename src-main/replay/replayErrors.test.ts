import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { asFloat32, readSafetensors, writeSafetensors, type SafeTensor } from '../export/safetensors.ts';
import { caseFolder } from '../testing/cases.ts';
import { replayError } from './replayErrors.ts';

const folder = caseFolder('resnet-ddp');
let out: string;
beforeAll(async () => {
  out = await mkdtemp(join(tmpdir(), 'sdp-replay-errors-'));
});
afterAll(() => rm(out, { recursive: true }));

/** What the case expects, as a replay would write it, after `change`. */
async function write(change: (tensors: Map<string, SafeTensor>, result: { loss: number[][] }) => unknown) {
  const { tensors } = await readSafetensors(join(folder, 'expect.safetensors'));
  const result = JSON.parse(await readFile(join(folder, 'expect.json'), 'utf8')) as { loss: number[][] };
  change(tensors, result);
  for (const part of ['grad0', 'final']) {
    const own = [...tensors].filter(([key]) => key.startsWith(`${part}/`));
    const named = new Map(own.map(([key, tensor]) => [key.slice(part.length + 1), tensor]));
    await writeSafetensors(join(out, `${part}.safetensors`), named, {});
  }
  await writeFile(join(out, 'result.json'), JSON.stringify(result));
}

it('is zero for the expected files', async () => {
  await write(() => undefined);
  expect((await replayError(folder, out))?.largest).toBe(0);
});

it('names the tensor that differs most, relative to its largest value', async () => {
  await write((tensors) => {
    const values = asFloat32(tensors.get('final/conv1.weight')!);
    const largest = Math.max(...values.map(Math.abs));
    const other = values[0]! > 0 ? values[0]! - 0.25 * largest : values[0]! + 0.25 * largest;
    values[0] = other;
  });
  const error = await replayError(folder, out);
  expect([error?.where, error?.largest.toFixed(3)]).toEqual(['final/conv1.weight', '0.250']);
});

it.each<[string, string, Parameters<typeof write>[0]]>([
  ['a missing tensor', 'grad0/fc.bias', (tensors) => tensors.delete('grad0/fc.bias')],
  ['a tensor too many', 'final/more', (tensors) => tensors.set('final/more', tensors.get('final/fc.bias')!)],
  ['a loss that is not finite', 'loss', (_, result) => (result.loss[0]![0] = NaN)],
])('is infinite for %s', async (_, where, change) => {
  await write(change);
  expect(await replayError(folder, out)).toEqual({ where, largest: Infinity });
});
