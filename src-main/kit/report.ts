// What the kit has measured so far: gpu.json for programs, gpu.md for people. Both are replaced whole after every change, so that a kit that is
// cut off at any moment leaves everything that it had measured.

import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export type Cell = string | number | null;

export interface Table {
  title: string;
  columns: string[];
  rows: Cell[][];
}

export type SectionState = 'running' | 'ok' | 'failed' | 'cut' | 'skipped';

/** What one section has found; a section that runs sends it anew at every change. */
export interface SectionReport {
  name: string;
  title: string;
  state: SectionState;
  /** Why it failed, was cut off or skipped; empty otherwise. */
  reason: string;
  seconds: number;
  tables: Table[];
  notes: string[];
}

export interface KitReport {
  device: string;
  /** Name of the card and its driver, as far as they are known. */
  machine: string;
  /** Start of the kit, ISO 8601. */
  date: string;
  commit: string;
  /** Seconds from the start to the first measured figure; null until then. */
  firstFigureSeconds: number | null;
  seconds: number;
  sections: SectionReport[];
}

/** Writes `gpu.json` and `gpu.md` in a folder, one write after the other; what comes in between is written once. */
export class ReportFiles {
  private next: KitReport | undefined;
  private writing: Promise<void> | undefined;

  constructor(private readonly folder: string) {}

  write(report: KitReport): Promise<void> {
    this.next = report;
    return (this.writing ??= this.drain().finally(() => (this.writing = undefined)));
  }

  private async drain(): Promise<void> {
    while (this.next) {
      const report = this.next;
      this.next = undefined;
      await replace(join(this.folder, 'gpu.json'), `${JSON.stringify(report, null, 1)}\n`);
      await replace(join(this.folder, 'gpu.md'), toMarkdown(report));
    }
  }
}

async function replace(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

export function toMarkdown(report: KitReport): string {
  const first = report.firstFigureSeconds === null ? 'none yet' : `after ${report.firstFigureSeconds.toFixed(0)} s`;
  return [
    `# SDP Lab on ${report.machine}`,
    `Device ${report.device}, ${report.date}, commit ${report.commit}. ${report.seconds.toFixed(0)} s in all; first figure ${first}.`,
    ...report.sections.map(sectionText),
  ]
    .join('\n\n')
    .concat('\n');
}

function sectionText({ title, state, reason, seconds, tables, notes }: SectionReport): string {
  const ending = state === 'ok' ? '' : ` (${state}${reason ? `: ${oneLine(reason)}` : ''})`;
  return [`## ${title}${ending}`, `${seconds.toFixed(1)} s`, ...notes.map(oneLine), ...tables.map(tableText)].join(
    '\n\n',
  );
}

function tableText({ title, columns, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    ...(title ? [`${title}:`, ''] : []),
    line(columns.map(escape)),
    line(columns.map(() => '---')),
    ...rows.map((row) => line(row.map((cell) => escape(cellText(cell))))),
  ].join('\n');
}

/** Numbers with three digits that matter, but whole ones whole. */
export function cellText(cell: Cell): string {
  if (cell === null) return '';
  if (typeof cell === 'string' || Number.isInteger(cell) || !Number.isFinite(cell)) return String(cell);
  const size = Math.abs(cell);
  if (size < 1e-3 || size >= 1e6) return cell.toExponential(1);
  return cell.toFixed(Math.max(0, 2 - Math.floor(Math.log10(size))));
}

const oneLine = (text: string) => text.replaceAll(/\s*\n\s*/g, '; ');
const escape = (text: string) => oneLine(text).replaceAll('|', '\\|');
