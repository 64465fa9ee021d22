// Torture: real `sdp` commands on small runs, disturbed at random for some minutes, with what must hold checked after every disturbance.
//
// A seed fixes the sequence of events, and each can be repeated by itself: its choices come from the seed and its number alone. Moments in
// time vary. What is done is in disturbances.ts, what must hold in invariants.ts. The folder of an event with a violation is kept.

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Chance } from './chance.ts';
import { Command, Violation } from './command.ts';
import { disturbances, type Disturbance } from './disturbances.ts';
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
  private readonly list: Named[];
  private ending = false;
  private scene: Scene | undefined;
  private folder = '';

  constructor(private readonly options: Options) {
    const { only } = options;
    const all = Object.entries(disturbances).map(([name, disturbance]) => ({ name, ...disturbance }));
    this.list = all.filter(({ name }) => only === undefined || name === only);
  }

  async run(): Promise<number> {
    const { minutes, seed, event } = this.options;
    console.log(`torture of ${minutes} minutes, seed ${seed}`);
    const stop = () => {
      this.ending = true;
      this.scene?.close();
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
    process.once('exit', () => this.scene?.close());
    const end = Date.now() + minutes * 60_000;
    this.folder = await mkdtemp(join(tmpdir(), 'sdp-torture-'));
    const ground = await Ground.open((home) => (args) => new Command(args, { SDP_HOME: home }));
    let violations = 0;
    try {
      for (let index = event ?? 0; !this.ending && Date.now() < end; index++) {
        if (!(await this.event(ground, index))) violations++;
        if (event !== undefined) break;
      }
    } finally {
      await rm(ground.home, { recursive: true });
      if (violations === 0) await rm(this.folder, { recursive: true });
    }
    this.printTable(violations);
    return this.ending ? 130 : violations > 0 ? 1 : 0;
  }

  /** Some disturbances of one configuration, one after another. False where something did not hold. */
  private async event(ground: Ground, index: number): Promise<boolean> {
    const chance = new Chance(this.options.seed * 9973 + index * 101);
    const subject = chance.of(ground.subjects);
    const picked = Array.from({ length: 1 + chance.below(3) }, () => chance.weighted(this.list));
    const folder = join(this.folder, String(index));
    await mkdir(folder);
    const startedAt = Date.now();
    let at: Named | undefined;
    let violation: Violation | undefined;
    const scene = new Scene(folder, ground, await ground.reference(subject));
    this.scene = scene;
    try {
      await scene.open();
      for (at of picked) {
        this.count(at.name).times++;
        await at.act(scene, chance.fork());
        for (const check of Object.values(afterEach)) await check(scene);
      }
      await scene.finish();
      for (const check of Object.values({ ...afterEach, ...atLast })) await check(scene);
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      violation = error;
    } finally {
      scene.close();
      this.scene = undefined;
    }
    if (this.ending) violation = undefined;
    const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
    const outcome = this.ending ? 'left' : violation ? 'VIOLATION' : 'held';
    console.log(`${String(index).padStart(4)} ${subject}: ${scene.told.join('; ')}: ${outcome} (${seconds} s)`);
    if (violation) {
      this.count(at!.name).violations++;
      console.log(`     ${violation.message.trimEnd()}`);
      console.log(`     in ${folder}; again: npm run torture -- --seed ${this.options.seed} --event ${index}`);
    } else await rm(folder, { recursive: true });
    return !violation;
  }

  private count(name: string): { times: number; violations: number } {
    const found = this.counts.get(name) ?? { times: 0, violations: 0 };
    this.counts.set(name, found);
    return found;
  }

  private printTable(violations: number): void {
    const rows = [...this.counts].sort(([a], [b]) => a.localeCompare(b));
    console.log('\nevents violations kind');
    for (const [name, { times, violations: bad }] of rows)
      console.log(`${String(times).padStart(6)} ${String(bad).padStart(10)} ${name}`);
    const total = rows.reduce((sum, [, { times }]) => sum + times, 0);
    console.log(`${String(total).padStart(6)} ${String(violations).padStart(10)} in all`);
  }
}
