import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readEvents } from '../testing/eventFile.ts';
import { EventLog } from './tensorboard.ts';
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
  const log = await EventLog.open(folder);
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

it('describes a run: a text, a picture, and its hyper-parameters with their end', async () => {
  const log = await EventLog.open(folder);
  log.addText('configuration', 7, '    batch: 32');
  log.addImage('masks', 7, { width: 3, height: 2, pixels: Uint8Array.of(0, 128, 255, 1, 2, 3) });
  log.startSession(
    new Map<string, string | number | boolean>([
      ['model.family', 'vit'],
      ['training.dropout', 0],
      ['model.tied', false],
    ]),
    ['evaluation/loss'],
  );
  log.endSession();
  await log.close();
  const [name] = await readdir(folder);
  const events = readEvents(await readFile(join(folder, name!))).slice(1);
  expect(events.map(({ step, scalars, others }) => [step, scalars, others![0]!.tag])).toEqual([
    [7, [], 'configuration'],
    [7, [], 'masks'],
    [0, [], '_hparams_/experiment'],
    [0, [], '_hparams_/session_start_info'],
    [0, [], '_hparams_/session_end_info'],
  ]);
  const fields = events.map(({ others }) => others![0]!.value);
  const content = (at: number, field: number) => fields[at]!.get(field)![0] as Buffer;
  expect(content(0, 8).toString('latin1')).toContain('    batch: 32');
  expect(content(0, 9).toString('latin1')).toContain('text');
  const png = content(1, 4);
  const at = png.indexOf('IDAT');
  const rows = inflateSync(png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4)));
  expect([...rows]).toEqual([0, 0, 128, 255, 0, 1, 2, 3]);
  expect(png.readUInt32BE(png.indexOf('IHDR') + 4)).toBe(3);
  for (const key of ['model.family', 'vit', 'training.dropout', 'model.tied'])
    expect(content(3, 9).includes(key)).toBe(true);
  expect(content(2, 9).includes('evaluation/loss')).toBe(true);
});

it('says from which step a resumed run goes on', async () => {
  await (await EventLog.open(folder, 40)).close();
  const [name] = await readdir(folder);
  expect(readEvents(await readFile(join(folder, name!)))).toMatchObject([
    { version: 'brain.Event:2' },
    { step: 40, sessionStatus: 1 },
  ]);
});

it('names a folder that is missing', async () => {
  const absent = join(folder, 'absent');
  await expect(EventLog.open(absent)).rejects.toMatchObject({ code: 'storage' });
});
