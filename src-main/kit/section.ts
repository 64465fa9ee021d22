// What a section of the kit is: what it is given, how it reports, where it applies and how long it may take.

import type { RunDevice } from '../device/discover.ts';
import type { Cell, SectionReport, Table } from './report.ts';

/** The same for all sections; crosses to the process of a section as JSON. */
export interface KitContext {
  device: { id: string; kind: RunDevice['kind']; index: number };
  /** Small models, few cases and steps: to see that the kit works, not to measure. */
  quick: boolean;
  /** Folder with `cases/` (reference cases) and `step_torch.py`. */
  assets: { cases: string; torch: string };
  /** A Python with torch, or null. */
  python: string | null;
  /** A folder for temporary files; the kit removes it. */
  scratch: string;
}

export interface Section {
  name: string;
  title: string;
  /** Seconds after which it is ended. */
  limit: number;
  /** Variables that its process needs. */
  env?: Readonly<Record<string, string>>;
  /** Why it does not apply to a device; null where it does. */
  skip?: (context: KitContext) => string | null;
  run(context: KitContext, report: SectionLog): Promise<void>;
}

/** How a section tells what it has found, as it finds it. */
export class SectionLog {
  readonly tables: Table[] = [];
  readonly notes: string[] = [];

  constructor(private readonly changed: (found: Pick<SectionReport, 'tables' | 'notes'>) => void) {}

  note(text: string): void {
    this.notes.push(text);
    this.tell();
  }

  /** A table that rows are added to. */
  table(title: string, columns: string[]): (row: Cell[]) => void {
    const table: Table = { title, columns, rows: [] };
    this.tables.push(table);
    return (row) => {
      table.rows.push(row);
      this.tell();
    };
  }

  private tell(): void {
    this.changed({ tables: this.tables, notes: this.notes });
  }
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length === 0) return NaN;
  return Number.isInteger(middle) ? (sorted[middle - 1]! + sorted[middle]!) / 2 : sorted[Math.floor(middle)]!;
};

const longestMessage = 500;

/** The first line of an error; the runtime's can go on with the whole description of a graph. */
export function messageOf(error: unknown): string {
  const [first = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  return first.length > longestMessage ? `${first.slice(0, longestMessage)} ...` : first;
}
