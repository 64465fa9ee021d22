import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readEvents } from '../testing/eventFile.ts';
import { ScalarLog } from './tensorboard.ts';
import { crc32c } from './tfrecord.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sdp-tensorboard-'));
});
afterEach(() => rm(folder, { recursive: true }));

it('computes CRC-32C', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(0))).toBe(0);
});

it('writes scalars that another reader understands', async () => {
  const before = Date.now() / 1000;
  const log = await ScalarLog.open(folder);
  log.add('train/loss', 0, 2.5);
  log.add('train/loss', 2 ** 40, -0.125);
  await log.flush();
  log.add('train/grad_norm', 3, NaN);
  await log.close();
  await log.close();
  const [name] = await readdir(folder);
  expect(name).toMatch(/^events\.out\.tfevents\.\d{10}\./);
  expect(name!.endsWith(hostname())).toBe(true);
  const events = readEvents(await readFile(join(folder, name!)));
  expect(events.map(({ wallTime, ...rest }) => (expect(wallTime).toBeGreaterThanOrEqual(before - 1), rest))).toEqual([
    { step: 0, version: 'brain.Event:2', scalars: [] },
    { step: 0, scalars: [['train/loss', 2.5]] },
    { step: 2 ** 40, scalars: [['train/loss', -0.125]] },
    { step: 3, scalars: [['train/grad_norm', NaN]] },
  ]);
});

it('says from which step a resumed run goes on', async () => {
  await (await ScalarLog.open(folder, 40)).close();
  const [name] = await readdir(folder);
  expect(readEvents(await readFile(join(folder, name!)))).toMatchObject([
    { version: 'brain.Event:2' },
    { step: 40, sessionStatus: 1 },
  ]);
});

it('names a folder that is missing', async () => {
  const absent = join(folder, 'absent');
  await expect(ScalarLog.open(absent)).rejects.toMatchObject({ code: 'storage' });
});
