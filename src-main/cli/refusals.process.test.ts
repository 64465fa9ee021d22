// What the built command says where the system refuses something: the true cause, in one sentence, and no run is left that never began.

import { execFile, execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { cliPath, cpuDevices, newHome, smallConfig } from '../testing/lab.ts';
import { withServedPage } from '../testing/servedPage.ts';
import { withSmallDisk } from '../testing/smallDisk.ts';

let digits: string;
let config: string;
let folder: string;
beforeAll(async () => {
  digits = await newHome();
  folder = mkdtempSync(join(tmpdir(), 'sdp-refused-'));
  // For a command that runs as another user.
  chmodSync(folder, 0o755);
  config = join(folder, 'config.yaml');
  writeFileSync(config, stringify(smallConfig({ devices: cpuDevices(2) })));
  chmodSync(config, 0o644);
});
afterAll(() => [digits, folder].forEach((path) => rmSync(path, { recursive: true })));

interface Ended {
  code: number;
  out: string;
  /** Lines of standard error that are a message, without the progress. */
  said: string[];
  warned: string[];
}

/** Runs `sdp`, behind the words of `before`. */
function sdp(
  home: string,
  args: string[],
  before: string[] = [],
  env: Record<string, string> = {},
  program = cliPath,
): Promise<Ended> {
  const [first, ...rest] = [...before, process.execPath, program, ...args];
  return new Promise((resolve) => {
    const options = { env: { ...process.env, SDP_HOME: home, ...env } };
    const child = execFile(first!, rest, options, (_, out, error) => {
      const begins = (word: string) => error.split('\n').filter((line) => line.startsWith(word));
      resolve({ code: child.exitCode!, out, said: begins('sdp: '), warned: begins('warning: ') });
    });
  });
}

const train = () => ['train', config];
const freshHome = () => {
  const home = mkdtempSync(join(folder, 'home-'));
  cpSync(join(digits, 'datasets'), join(home, 'datasets'), { recursive: true });
  return home;
};
const can = (program: string, ...args: string[]) => spawnSync(program, args).status === 0;
const isRoot = process.getuid?.() === 0;

describe('a read-only disk', () => {
  const readOnly = 'its file system is read-only; mount it for writing, or choose another folder';

  it('is told of by whatever writes there', async (context) => {
    const done = await withSmallDisk('size=16m', async (disk) => {
      const home = join(disk, 'home');
      cpSync(join(digits, 'datasets'), join(home, 'datasets'), { recursive: true });
      expect((await sdp(home, train())).code).toBe(0);
      const [run] = readdirSync(join(home, 'runs'));
      const exported = ['export', run!, '--format', 'safetensors', '--out', join(disk, 'exported')];
      execFileSync('mount', ['-o', 'remount,ro', disk]);
      const said = async (...args: Parameters<typeof sdp>) => {
        const { code, said } = await sdp(...args);
        expect([code, said.length]).toEqual([1, 1]);
        return said[0];
      };
      expect(await said(home, train())).toBe(`sdp: taking ${home}/lock failed: ${readOnly}`);
      expect(await said(home, ['resume', run!])).toBe(`sdp: taking ${home}/lock failed: ${readOnly}`);
      expect(await said(home, exported)).toBe(`sdp: ${join(disk, 'exported')} cannot be written: ${readOnly}`);
      expect(await said(home, ['import', config, '--as', 'text', '--name', 'other'])).toContain(readOnly);
      const deep = join(disk, 'not/there/yet');
      expect(await said(deep, train())).toBe(`sdp: ${join(disk, 'not')} cannot be written: ${readOnly}`);
      await withServedPage({ ...process.env, SDP_HOME: deep }, [], async ({ call }) => {
        const settings = { theme: 'dark' as const, notify: true, startFrom: null };
        await expect(call.saveSettings(settings)).rejects.toThrow(
          `${join(disk, 'not')} cannot be written: ${readOnly}`,
        );
        await expect(call.startRun({ config: smallConfig({}) })).rejects.toThrow(readOnly);
      });
      expect((await sdp(home, ['evaluate', run!])).code).toBe(0);
      expect((await sdp(home, ['runs'])).out).toContain('done');
    });
    if (!done) context.skip('no file system can be mounted here');
  });
});

describe('a full disk', () => {
  it('leaves no run that could not begin, however much of it was written', async (context) => {
    const done = await withSmallDisk('size=4m', async (disk) => {
      const home = join(disk, 'home');
      cpSync(join(digits, 'datasets'), join(home, 'datasets'), { recursive: true });
      mkdirSync(join(home, 'runs'));
      writeFileSync(join(home, 'lock'), '');
      const { bsize } = statfsSync(disk);
      for (let pages = 0; pages <= 4; pages += 1) {
        const rest = join(disk, 'rest');
        rmSync(rest, { force: true });
        writeFileSync(rest, Buffer.alloc(bsize * (statfsSync(disk).bavail - pages)));
        const { code, said } = await sdp(home, [...train(), '--set', 'training.steps=1']);
        const list = JSON.parse((await sdp(home, ['runs', '--json'])).out) as { runs: { state: string }[] };
        const begun = readdirSync(join(home, 'runs'));
        expect([code, said.length]).toEqual([1, 1]);
        expect(said[0]).toMatch(/no space is left on the disk|the disk is full/);
        // All of them are whole.
        expect(list.runs).toHaveLength(begun.length);
        if (!said[0]!.includes('checkpoints')) expect(begun).toEqual([]);
        begun.forEach((id) => rmSync(join(home, 'runs', id), { recursive: true }));
      }
    });
    if (!done) context.skip('no file system can be mounted here');
  }, 120_000);
});

describe('something else in a place of the data folder', () => {
  const isFile = 'a part of the path is a file, not a folder';
  const isFolder = 'a folder is in its place; move it away';

  it('a file as the data folder itself, or above it', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    for (const home of [file, join(file, 'below')]) {
      expect(await sdp(home, train())).toMatchObject({ code: 1, said: [expect.stringContaining(isFile)] });
      for (const args of [['runs'], ['datasets'], ['evaluate', 'some-run']])
        expect(await sdp(home, args)).toMatchObject({ code: 1, out: '', said: [expect.stringContaining(isFile)] });
    }
  });

  it.each<[string, 'file' | 'folder', string[], (home: string) => string]>([
    ['runs', 'file', ['runs'], (home) => `${home}/runs cannot be read: ${isFile}`],
    ['runs', 'file', ['train'], (home) => `${home}/runs cannot be written: ${isFile}`],
    ['datasets', 'file', ['datasets'], (home) => `${home}/datasets cannot be read: ${isFile}`],
    ['datasets', 'file', ['train'], (home) => `${home}/datasets cannot be read: ${isFile}`],
    ['lock', 'folder', ['train'], (home) => `taking ${home}/lock failed: ${isFolder}`],
  ])('%s is a %s: sdp %s', async (name, kind, args, sentence) => {
    const home = freshHome();
    rmSync(join(home, name), { recursive: true, force: true });
    if (kind === 'file') writeFileSync(join(home, name), '');
    else mkdirSync(join(home, name));
    const { code, said } = await sdp(home, args[0] === 'train' ? train() : args);
    expect([code, said]).toEqual([1, [`sdp: ${sentence(home)}`]]);
  });

  it('checkpoints and exports that are files', async () => {
    const home = freshHome();
    expect((await sdp(home, train())).code).toBe(0);
    const run = join(home, 'runs', readdirSync(join(home, 'runs'))[0]!);
    const id = run.split('/').at(-1)!;
    const out = join(home, 'out');
    writeFileSync(out, '');
    expect((await sdp(home, ['export', id, '--format', 'safetensors', '--out', out])).said).toEqual([
      `sdp: ${out} cannot be written: ${isFile}`,
    ]);
    rmSync(join(run, 'checkpoints'), { recursive: true });
    writeFileSync(join(run, 'checkpoints'), '');
    expect((await sdp(home, ['evaluate', id])).said).toEqual([`sdp: ${run}/checkpoints cannot be read: ${isFile}`]);
  });

  it('a page is told of settings that are a folder, and of uploads that are a file', async () => {
    const home = freshHome();
    mkdirSync(join(home, 'settings.json'));
    writeFileSync(join(home, 'uploads'), '');
    await withServedPage({ ...process.env, SDP_HOME: home }, [], async ({ call }, url) => {
      const settings = { theme: 'dark' as const, notify: true, startFrom: null };
      await expect(call.saveSettings(settings)).rejects.toThrow(`${home}/settings.json cannot be written: ${isFolder}`);
      const headers = { origin: url.origin, authorization: `Bearer ${url.hash.slice('#key='.length)}` };
      const answer = await fetch(new URL('/upload/0123456789abcdef/a', url), { method: 'PUT', body: 'a', headers });
      expect([answer.status, await answer.text()]).toEqual([507, expect.stringContaining(isFile)]);
    });
  });
});

describe.skipIf(!isRoot || !can('setpriv', '--version'))('another user (needs root and setpriv)', () => {
  const nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];
  const readable = () => can(nobody[0]!, ...nobody.slice(1), process.execPath, cliPath, '--version');

  it('is told that he may not write, or not read', async (context) => {
    if (!readable()) return context.skip('another user cannot read the built app here');
    const home = freshHome();
    chmodSync(home, 0o755);
    const denied = 'permission denied';
    expect((await sdp(home, train(), nobody)).said).toEqual([expect.stringContaining(denied)]);
    chmodSync(home, 0o700);
    for (const args of [train(), ['runs'], ['datasets']])
      expect((await sdp(home, args, nobody)).said).toEqual([expect.stringContaining(denied)]);
  });

  it('is told that he may start no more processes or threads', async (context) => {
    if (!readable() || !can('prlimit', '--version')) return context.skip('prlimit or the built app cannot be used');
    const home = freshHome();
    execFileSync('chown', ['-R', '65534:65534', home]);
    // From none that can be started to a device that lacks a thread, which the other takes over from.
    for (const most of [12, 14, 18, 24, 28, 32]) {
      const { code, said, warned } = await sdp(home, train(), [...nobody, 'prlimit', `--nproc=${most}`]);
      const told = code === 0 ? warned : said;
      expect([most, code, told]).toEqual([
        most,
        most < 18 ? 1 : code,
        [expect.stringMatching(/\(ulimit -u\); raise that limit/)],
      ]);
    }
  }, 600_000);
});

describe.skipIf(!can('prlimit', '--version'))('a limit of the system (needs prlimit)', () => {
  it.each(['1500000000', '2000000000', '8000000000'])('address space of %s bytes is named', async (bytes) => {
    const { code, said } = await sdp(freshHome(), train(), ['prlimit', `--as=${bytes}`]);
    expect([code, said]).toEqual([1, [expect.stringMatching(/address space \(ulimit -v\).*raise that limit/)]]);
    expect(said[0]).not.toContain('npm run setup');
  });

  it('too few open files are named', async () => {
    const { code, said } = await sdp(freshHome(), train(), ['prlimit', '--nofile=30']);
    expect([code, said]).toEqual([1, [expect.stringContaining('(ulimit -n)')]]);
  });
});

describe.skipIf(!isRoot || !can('unshare', '-m', 'true'))('the place of the store (needs root and unshare)', () => {
  const without = (options: string) => [
    'unshare',
    '-m',
    'sh',
    '-c',
    `mount -t tmpfs -o ${options} tmpfs /dev/shm && exec "$@"`,
    'sh',
  ];

  it('is the temporary folder where the memory file system cannot be written, and a missing one is named', async () => {
    expect((await sdp(freshHome(), train(), without('ro'))).code).toBe(0);
    const missing = join(folder, 'missing');
    const refused = await sdp(freshHome(), train(), without('ro'), { TMPDIR: missing });
    expect([refused.code, refused.said]).toEqual([
      1,
      [
        expect.stringContaining(
          `the folder for temporary files, ${missing}, cannot be used: it is not there; name another in TMPDIR`,
        ),
      ],
    ]);
  });
});

it('an addon that cannot be loaded is told of with what to do', async () => {
  const app = mkdtempSync(join(folder, 'app-'));
  const built = dirname(cliPath);
  const addon = join(app, 'native/binding/sdp.node');
  mkdirSync(dirname(addon), { recursive: true });
  cpSync(built, join(app, 'out/main'), { recursive: true });
  symlinkSync(join(built, '../../node_modules'), join(app, 'node_modules'), 'junction');
  writeFileSync(join(app, 'package.json'), '{"type":"module"}');
  writeFileSync(addon, 'no library');
  const { code, said } = await sdp(freshHome(), train(), [], {}, join(app, 'out/main/cli.js'));
  expect([code, said]).toEqual([
    1,
    [
      expect.stringMatching(
        /the Rust addon .*sdp\.node cannot be loaded \(.*\); run "npm run setup" to build it for this machine$/,
      ),
    ],
  ]);
});
