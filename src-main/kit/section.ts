// What a section of the kit is: what it is given, how it reports, where it applies and how long it may take.

import type { RunDevice } from '../device/discover.ts';
import type { Python } from './python.ts';
import type { Cell, SectionReport, Table } from './report.ts';

/** The same for all sections; crosses to the process of a section as JSON. */
export interface KitContext {
  device: { id: string; kind: RunDevice['kind']; index: number };
  /** Small models, few cases and steps: to see that the kit works, not to measure. */
  quick: boolean;
  /** Folder of the reference cases, and the script `step_torch.py`. */
  assets: { cases: string; torch: string };
  /** A Python with torch, or why there is none. */
  python: Python;
  /** A folder for temporary files; the kit removes it. */
  scratch: string;
}

export interface Section {
  name: string;
  title: string;
  /** Seconds after which it is ended. */
  limit: number;
  /** Whether it is compared with PyTorch. */
  usesTorch?: boolean;
  /** Variables that its process needs. */
  env?: Readonly<Record<string, string>>;
  /** Why it does not apply to a device; null where it does. */
  skip?: (context: KitContext) => string | null;
  run(context: KitContext, report: SectionLog): Promise<void>;
}

/** What a section has found so far. */
export type Found = Pick<SectionReport, 'headlines' | 'tables' | 'notes' | 'problems'>;

const mostPlaces = 4;

/** How a section tells what it has found, as it finds it. */
export class SectionLog {
  private readonly headlines: string[] = [];
  private readonly tables: Table[] = [];
  private readonly notes: string[] = [];
  /** Places by what is wrong there, numbers of nodes aside. */
  private readonly wrong = new Map<string, { message: string; places: string[] }>();

  constructor(private readonly changed: (found: Found) => void) {}

  /** A sentence for the head of the report. */
  headline(text: string): void {
    this.headlines.push(text);
    this.tell();
  }

  note(text: string): void {
    this.notes.push(text);
    this.tell();
  }

  /** Something failed and the section goes on. What is wrong in the same way in several places is told once. */
  problem(place: string, error: unknown): void {
    const message = messageOf(error);
    const kind = message.replaceAll(/#\d+/g, '');
    const { places } = this.wrong.get(kind) ?? { places: [] };
    this.wrong.set(kind, { message, places: [...places, place] });
    this.tell();
  }

  get found(): Found {
    const problems = [...this.wrong.values()].map(({ message, places }) => `${listOf(places)}: ${message}`);
    return { headlines: this.headlines, tables: this.tables, notes: this.notes, problems };
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
    this.changed(this.found);
  }
}

function listOf(places: readonly string[]): string {
  const more = places.length - mostPlaces;
  return [...places.slice(0, mostPlaces), ...(more > 0 ? [`${more} more`] : [])].join('; ');
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length === 0) return NaN;
  return Number.isInteger(middle) ? (sorted[middle - 1]! + sorted[middle]!) / 2 : sorted[Math.floor(middle)]!;
};

const longestMessage = 500;

/** The first line of an error, without what the runtime puts around it; its lines can go on with the whole description of a graph. */
export function messageOf(error: unknown): string {
  const [first = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  const text = first
    .replace(/Non-zero status code returned while running (\S+) node\. Name:'([^']*)' Status Message: /, '$1 "$2": ')
    .replace(/ with the cudnn frontend json:$/, '');
  return text.length > longestMessage ? `${text.slice(0, longestMessage)} ...` : text;
}
