// Torture: real `sdp` commands on small runs, disturbed at random for some minutes, with what must hold checked after every disturbance.
//
// A seed fixes the sequence of events, and each can be repeated by itself: its choices come from the seed and its number alone. Moments in
// time vary. What is done is in disturbances.ts, what must hold in invariants.ts. The folder of an event with a violation is kept.

import { existsSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { withSmallDisk } from '../smallDisk.ts';
import { Chance } from './chance.ts';
import type { Disturbance } from './disturbance.ts';
import { disturbances } from './disturbances.ts';
import { afterEach, atLast } from './invariants.ts';
import { Scene } from './scene.ts';
import { Ground } from './subjects.ts';

type Named = Disturbance & { name: string };

interface Options {
  minutes: number;
  seed: number;
  /** That event alone. */
  event: number | undefined;
  only: string | undefined;
}

const usage = 'usage: npm run torture -- [--minutes N] [--seed S] [--event I] [--only NAME]';

/** Returns the exit code. */
export async function main(args: string[]): Promise<number> {
  const options = parsed(args);
  if (!options) {
    console.error(`${usage}\nnames: ${Object.keys(disturbances).join(', ')}`);
    return 2;
  }
  if (!existsSync('/proc/self/environ')) {
    console.log('not run: processes are looked up in /proc, which this system lacks');
    return 0;
  }
  return await new Torture(options).run();
}

function parsed(args: string[]): Options | undefined {
  try {
    const text = { type: 'string' } as const;
    const { values } = parseArgs({ args, options: { minutes: text, seed: text, event: text, only: text } });
    const minutes = Number(values.minutes ?? 2);
    const seed = Number(values.seed ?? Date.now() % 1_000_000);
    const event = values.event === undefined ? undefined : Number(values.event);
    const integers = [seed, event ?? 0].every((value) => Number.isInteger(value) && value >= 0);
    if (!(minutes > 0) || !integers || (values.only && !Object.hasOwn(disturbances, values.only))) return undefined;
    return { minutes, seed, event, only: values.only };
  } catch {
    return undefined;
  }
}

class Torture {
  private readonly counts = new Map<string, { times: number; violations: number }>();
  private ending = false;
  private scene: Scene | undefined;
  private ground!: Ground;
  private list: Named[] = [];
  /** Of the events with a violation, a folder each. */
  private kept = '';

  constructor(private readonly options: Options) {}

  async run(): Promise<number> {
    const { minutes, seed, event, only } = this.options;
    console.log(`torture of ${minutes} minutes, seed ${seed}`);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => this.end());
    const end = Date.now() + minutes * 60_000;
    const canMount = await withSmallDisk('size=1m', async () => {});
    if (!canMount) console.log('without full disks: a small file system may not be mounted here');
    const all = Object.entries(disturbances).map(([name, disturbance]) => ({ name, ...disturbance }));
    this.list = all.filter(({ name, onSmallDisk }) => (canMount || !onSmallDisk) && name === (only ?? name));
    this.kept = await mkdtemp(join(tmpdir(), 'sdp-torture-'));
    let violations = 0;
    this.ground = await Ground.open();
    try {
      for (let index = event ?? 0; !this.ending && Date.now() < end; index++) {
        if (!(await this.event(index))) violations++;
        if (event !== undefined) break;
      }
    } finally {
      await this.ground.close();
      if (violations === 0) await rm(this.kept, { recursive: true });
    }
    this.printTable(violations);
    return violations > 0 ? 1 : this.ending ? 130 : 0;
  }

  private end(): void {
    this.ending = true;
    void this.scene?.close();
    void this.ground?.stop();
  }

  /** Some disturbances of one configuration, one after another. False where something did not hold. */
  private async event(index: number): Promise<boolean> {
    const chance = new Chance(this.options.seed * 9973 + index * 101);
    const subject = chance.of(this.ground.subjects);
    const picked = Array.from({ length: 1 + chance.below(3) }, () => chance.weighted(this.list));
    const kept = join(this.kept, String(index));
    const startedAt = Date.now();
    let played: Played | undefined;
    const play = async (folder: string) => {
      played = await this.play(folder, subject, picked, chance);
      if (played.violation && folder !== kept) await cp(folder, kept, { recursive: true });
    };
    if (picked.some(({ onSmallDisk }) => onSmallDisk)) await withSmallDisk('size=128m', play);
    else await play(kept);
    const { violation, at, told } = played!;
    const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
    const outcome = this.ending ? 'given up' : violation ? 'VIOLATION' : 'held';
    console.log(`${String(index).padStart(4)} ${subject}: ${told.join('; ')}: ${outcome} (${seconds} s)`);
    if (!violation || this.ending) {
      await rm(kept, { recursive: true, force: true });
      return true;
    }
    this.count(at ?? 'undisturbed').violations++;
    console.log(`     ${violation.message.trimEnd()}`);
    console.log(`     kept in ${kept}; again: npm run torture -- --seed ${this.options.seed} --event ${index}`);
    return false;
  }

  private async play(folder: string, subject: string, picked: Named[], chance: Chance): Promise<Played> {
    let at: string | undefined;
    const told: string[] = [];
    try {
      const scene = new Scene(folder, this.ground, await this.ground.reference(subject), told);
      this.scene = scene;
      await scene.open();
      for (const { name, act } of picked) {
        at = name;
        this.count(name).times++;
        await act(scene, chance.fork());
        for (const check of Object.values(afterEach)) await check(scene);
      }
      await scene.finish();
      for (const check of Object.values({ ...afterEach, ...atLast })) await check(scene);
      return { at, told };
    } catch (error) {
      if (error instanceof Error) return { at, told, violation: error };
      throw error;
    } finally {
      await this.scene?.close();
      this.scene = undefined;
    }
  }

  private count(name: string): { times: number; violations: number } {
    const found = this.counts.get(name) ?? { times: 0, violations: 0 };
    this.counts.set(name, found);
    return found;
  }

  private printTable(violations: number): void {
    const rows = [...this.counts].sort(([a], [b]) => a.localeCompare(b));
    const line = (times: string | number, bad: string | number, name: string) =>
      console.log(`${String(times).padStart(6)} ${String(bad).padStart(10)} ${name}`);
    console.log('');
    line('events', 'violations', 'kind');
    for (const [name, { times, violations: bad }] of rows) line(times, bad, name);
    line(
      rows.reduce((sum, [, { times }]) => sum + times, 0),
      violations,
      'in all',
    );
  }
}

interface Played {
  /** The last disturbance, and all of them in words. */
  at: string | undefined;
  told: string[];
  /** What did not hold. */
  violation?: Error;
}
