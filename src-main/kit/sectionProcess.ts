// Runs a section of the kit in a process group of its own, so that nothing of it outlives its time limit: not its device processes, not PyTorch.

import { fork } from 'node:child_process';
import type { SectionReport } from './report.ts';
import { type Found, type KitContext, messageOf, type Section, SectionLog } from './section.ts';

type Message = { kind: 'found'; found: Found } | { kind: 'failed'; reason: string };

/** A quick pass is for machines without a card, which may be busy: limits are so many times as long. */
const quickPatience = 4;

export interface SectionRun {
  /** Seconds that are left for the whole kit. */
  left: number;
  /** Ends the section; its reason is the name of a signal. */
  stop: AbortSignal;
  /** Gets what the section has found so far. */
  changed(report: SectionReport): void;
}

/** Runs a section to its end, its limit or its interruption, whichever comes first. */
export async function runSection(
  section: Section,
  context: KitContext,
  { left, stop, changed }: SectionRun,
): Promise<SectionReport> {
  const start = Date.now();
  const { name, title } = section;
  const own = section.limit * (context.quick ? quickPatience : 1);
  const limit = Math.min(own, left);
  const skip = section.skip?.(context) ?? null;
  const nothing: Found = { headlines: [], tables: [], notes: [], problems: [] };
  const report: SectionReport = { name, title, state: 'running', reason: '', seconds: 0, ...nothing };
  const end = (state: SectionReport['state'], reason: string): SectionReport => ({
    ...report,
    state,
    reason,
    seconds: (Date.now() - start) / 1000,
  });
  if (skip !== null) return end('skipped', skip);
  if (limit <= 0) return end('cut', 'no time was left for it; --within SECONDS gives more');
  changed(report);
  const child = fork(process.argv[1]!, ['section', name], {
    detached: true,
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    // Cards by their place, as the driver lists them and device processes see them; what it leaves behind is removed with the scratch folder.
    env: { ...process.env, CUDA_DEVICE_ORDER: 'PCI_BUS_ID', TMPDIR: context.scratch, ...section.env },
  });
  let words = '';
  let failure: string | undefined;
  child.stderr!.on('data', (data: Buffer) => (words = (words + data.toString()).slice(-2000)));
  child.on('message', (message: Message) => {
    if (message.kind === 'failed') return void (failure = message.reason);
    Object.assign(report, message.found, { seconds: (Date.now() - start) / 1000 });
    changed({ ...report });
  });
  child.send(context);
  const killGroup = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // The group has ended.
    }
  };
  // However this process ends; where it is killed, the section notices that its channel closes.
  process.once('exit', killGroup);
  stop.addEventListener('abort', killGroup, { once: true });
  let late = false;
  const timer = setTimeout(() => ((late = true), killGroup()), limit * 1000);
  const ending = await new Promise<string | null>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(code === 0 ? null : (signal ?? `exit code ${code}`)));
  });
  clearTimeout(timer);
  stop.removeEventListener('abort', killGroup);
  process.off('exit', killGroup);
  killGroup();
  if (stop.aborted) return end('cut', `the kit was ended by ${String(stop.reason)}`);
  if (late) {
    const whose = limit < own ? 'when the time of the kit was over' : 'at its limit';
    return end('cut', `it was ended ${whose}, after ${Number(limit.toFixed(1))} s`);
  }
  if (failure !== undefined) return end('failed', failure);
  if (ending === null) return end('ok', '');
  const last = lastWords(words);
  return end('failed', `its process ended with ${ending}${last ? `: ${last}` : ''}`);
}

/** Of what a process wrote before it died, the line that says most. */
export function lastWords(text: string): string {
  const lines = text.split('\n').map((line) => line.trim());
  const told = lines.filter((line) => line !== '' && !/^(at |Node\.js v|\^+$)/.test(line));
  return told.findLast((line) => /error|fail/i.test(line)) ?? told.at(-1) ?? '';
}

/** The other side: the process of one section. */
export async function serveSection(name: string, sections: readonly Section[]): Promise<void> {
  const section = sections.find((each) => each.name === name);
  if (!section || !process.send) throw new Error('a section is started by the kit, not by hand');
  const send = (message: Message) =>
    new Promise<void>((resolve) => process.send!(message, undefined, undefined, () => resolve()));
  const context = await new Promise<KitContext>((resolve) =>
    process.once('message', (sent) => resolve(sent as KitContext)),
  );
  process.once('disconnect', () => process.kill(-process.pid, 'SIGKILL'));
  const log = new SectionLog((found) => void send({ kind: 'found', found }));
  try {
    await section.run(context, log);
    const { problems } = log.found;
    if (problems.length > 0) throw new Error(problems.length === 1 ? problems[0] : `${problems.length} faults`);
    await send({ kind: 'found', found: log.found });
    process.exit(0);
  } catch (error) {
    await send({ kind: 'failed', reason: messageOf(error) });
    process.exit(1);
  }
}
