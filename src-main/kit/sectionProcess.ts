// Runs a section of the kit in a process group of its own, so that nothing of it outlives its time limit: not its device processes, not PyTorch.

import { fork } from 'node:child_process';
import type { SectionReport } from './report.ts';
import { messageOf, SectionLog, type KitContext, type Section } from './section.ts';

type Message = { kind: 'found'; found: Pick<SectionReport, 'tables' | 'notes'> } | { kind: 'failed'; reason: string };

/** Runs a section to its end or its limit; `changed` gets what it has found so far. */
export async function runSection(
  section: Section,
  context: KitContext,
  changed: (report: SectionReport) => void,
): Promise<SectionReport> {
  const start = Date.now();
  const { name, title, limit } = section;
  const skip = section.skip?.(context) ?? null;
  const report: SectionReport = { name, title, state: 'running', reason: '', seconds: 0, tables: [], notes: [] };
  const end = (state: SectionReport['state'], reason: string): SectionReport => ({
    ...report,
    state,
    reason,
    seconds: (Date.now() - start) / 1000,
  });
  if (skip !== null) return end('skipped', skip);
  const child = fork(process.argv[1]!, ['section', name], {
    detached: true,
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    env: { ...process.env, ...section.env },
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
  const interrupt = () => (killGroup(), process.exit(130));
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  let late = false;
  const timer = setTimeout(() => ((late = true), killGroup()), limit * 1000);
  const ending = await new Promise<string | null>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(code === 0 ? null : (signal ?? `exit code ${code}`)));
  });
  clearTimeout(timer);
  process.off('SIGINT', interrupt);
  process.off('SIGTERM', interrupt);
  killGroup();
  if (late) return end('cut', `it was ended after its limit of ${limit.toFixed(0)} s`);
  if (failure !== undefined) return end('failed', failure);
  if (ending === null) return end('ok', '');
  const last = words.trim().split('\n').at(-1);
  return end('failed', `its process ended with ${ending}${last ? `: ${last}` : ''}`);
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
  const log = new SectionLog((found) => void send({ kind: 'found', found }));
  try {
    await section.run(context, log);
    await send({ kind: 'found', found: log });
    process.exit(0);
  } catch (error) {
    await send({ kind: 'failed', reason: messageOf(error) });
    process.exit(1);
  }
}
