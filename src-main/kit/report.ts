// What the kit has measured so far: gpu.json for programs, gpu.md for people. Both are replaced whole after every change, so that a kit that is
// cut off at any moment leaves everything that it had measured.

import { join } from 'node:path';
import { replaceFile } from '../files/files.ts';

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
  /** What a reader wants first: a sentence each, with a figure. */
  headlines: string[];
  tables: Table[];
  notes: string[];
  /** What is wrong, and where; a section goes on after such a fault. */
  problems: string[];
}

export interface KitReport {
  device: string;
  /** Name of the card and its driver; empty while they are not known. */
  machine: string;
  /** Start of the kit, ISO 8601. */
  date: string;
  commit: string;
  /** Seconds from the start to the first measured figure; null until then. */
  firstFigureSeconds: number | null;
  seconds: number;
  sections: SectionReport[];
}

/** Writes `gpu.json` and `gpu.md` in a folder, one write after the other; what comes in between is written once. Fails as `storage`. */
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
      const texts = { 'gpu.json': `${JSON.stringify(report, null, 1)}\n`, 'gpu.md': toMarkdown(report) };
      for (const [name, text] of Object.entries(texts))
        await replaceFile(join(this.folder, name), (file) => file.writeFile(text));
    }
  }
}

export function toMarkdown(report: KitReport): string {
  const { device, machine, date, commit, seconds, firstFigureSeconds: first, sections } = report;
  const headlines = sections.flatMap((section) => section.headlines);
  const overview: Table = {
    title: '',
    columns: ['section', 'state', 'seconds'],
    rows: sections.map(({ title, state, seconds: own }) => [title, state, Math.round(own)]),
  };
  return [
    `# SDP Lab on ${machine || device}`,
    verdict(report),
    ...(headlines.length > 0 ? [headlines.map((text) => `- ${oneLine(text)}`).join('\n')] : []),
    `Device ${device}, ${date}, commit ${commit}. ${seconds.toFixed(0)} s in all; ${first === null ? 'no figure yet' : `first figure after ${first.toFixed(0)} s`}.`,
    ...(sections.length > 0 ? [tableText(overview)] : []),
    ...sections.map(sectionText),
  ]
    .join('\n\n')
    .concat('\n');
}

/** How it stands, in a line. */
function verdict({ device, sections }: KitReport): string {
  const titles = (state: SectionState) =>
    sections.filter((section) => section.state === state).map(({ title }) => title);
  const [ok, failed, cut, running] = (['ok', 'failed', 'cut', 'running'] as const).map(titles);
  const parts = [
    `${ok!.length} of ${sections.length - titles('skipped').length} sections that apply to ${device} are well`,
    ...(failed!.length > 0 ? [`Failed: ${failed!.join('; ')}`] : []),
    ...(cut!.length > 0 ? [`Cut off: ${cut!.join('; ')}`] : []),
    ...(running!.length > 0 ? [`Running: ${running!.join('; ')}`] : []),
  ];
  return `**${failed!.length + cut!.length > 0 ? 'NOT ALL IS WELL' : running!.length > 0 || sections.length === 0 ? 'Not done' : 'All is well'}.** ${parts.join('. ')}.`;
}

function sectionText({ title, state, reason, seconds, tables, notes, problems }: SectionReport): string {
  const told = problems.length > 1 ? `:\n\n${problems.map((problem) => `- ${oneLine(problem)}`).join('\n')}` : '';
  const ending = `**${state}**${reason ? `: ${oneLine(reason)}` : ''}${told}`;
  const paragraphs = [
    ...(state === 'ok' ? [] : [ending]),
    ...(state === 'skipped' ? [] : [`${seconds.toFixed(1)} s`]),
    ...notes.map(oneLine),
    ...tables.filter(({ rows }) => rows.length > 0).map(tableText),
  ];
  return [`## ${title}`, ...paragraphs].join('\n\n');
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
