// The commands about datasets: `sdp inspect`, `sdp import`, `sdp datasets`. Options are those of contract/verdict.ts, one flag each.

import { InvalidArgumentError, Option, type Command } from 'commander';
import { z } from 'zod';
import { formatBytes } from '../contract/bytes.ts';
import { dataset, type Dataset } from '../contract/commands.ts';
import type { AccountLine } from '../contract/datasets.ts';
import { formatExtent } from '../contract/extent.ts';
import { importOptions, type ImportOptions, type Problem, type Verdict } from '../contract/verdict.ts';
import { getDataset, listDatasets } from '../data/catalogue.ts';
import { importDataset, inspectDataset, type ImportProgress } from '../data/import.ts';
import { sdpHome } from '../lab/home.ts';
import { onInterrupt } from './interrupt.ts';
import { StatusLine, formatDuration, printJson, printLine, printNote, printTable } from './output.ts';

interface Flags {
  json?: boolean;
  name?: string;
}

/** Adds a flag for each of the import options, checked by its schema. */
function withImportOptions(command: Command): Command {
  for (const [key, schema] of Object.entries(importOptions.shape)) {
    const flag = flagOf(key);
    const inner = schema.unwrap();
    const isSwitch = inner instanceof z.ZodBoolean;
    const option = new Option(isSwitch ? flag : `${flag} <value>`, inner.description ?? '');
    if (inner instanceof z.ZodEnum) option.choices(inner.options.map(String));
    if (!isSwitch) option.argParser((text) => parsed(inner, text));
    command.addOption(option);
  }
  return command;
}

/** `imageColumn`: `--image-column`. */
const flagOf = (key: string): string => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

function parsed(schema: z.ZodType, text: string): unknown {
  const number = Number(text);
  const result = [text, ...(Number.isNaN(number) ? [] : [number])].map((value) => schema.safeParse(value));
  const good = result.find(({ success }) => success);
  if (good) return good.data;
  throw new InvalidArgumentError(`${result.at(-1)!.error!.issues[0]!.message}.`);
}

const jsonOption = () => new Option('--json', 'print JSON');

export function addDataCommands(program: Command): void {
  const inspect = program
    .command('inspect')
    .description('inspect files without importing them: format, contents, problems and remedies')
    .argument('<paths...>', 'file or folder');
  withImportOptions(inspect)
    .addOption(jsonOption())
    .action(async (paths: string[], flags: Flags & ImportOptions) => {
      const { json, ...options } = flags;
      const found = await inspectDataset(await sdpHome(), paths, options);
      if (json) printJson(found);
      else printVerdict(found);
      if (!found.importable) process.exitCode = 1;
    });
  const add = program
    .command('import')
    .description('import a dataset from files; continue an interrupted import of the same files')
    .argument('<paths...>', 'file or folder')
    .option('--name <name>', 'name of the dataset; default: from the files');
  withImportOptions(add).addOption(jsonOption()).action(runImport);
  program
    .command('datasets')
    .description('list the imported datasets, or tell what became of the files of one')
    .argument('[name]', 'dataset whose files are accounted for')
    .addOption(jsonOption())
    .action(printDatasets);
}

async function runImport(paths: string[], { json = false, name, ...options }: Flags & ImportOptions): Promise<void> {
  const cancel = new AbortController();
  onInterrupt(() => cancel.abort());
  const line = new StatusLine(process.stderr);
  const start = Date.now();
  const onProgress = (progress: ImportProgress) => {
    if (!json) line.draw(() => progressText(progress, (Date.now() - start) / 1000));
  };
  const { signal } = cancel;
  const home = await sdpHome();
  const made = await importDataset({ paths, name, options, home, signal, onProgress }).finally(() => line.clear());
  if (json) return printJson(made);
  const unit = made.kind === 'images' ? 'samples' : 'tokens';
  printLine(`imported ${made.name}: ${made.train} training and ${made.test} validation ${unit}, ${contentOf(made)}`);
}

function progressText({ done, total, skipped, isText }: ImportProgress, seconds: number): string {
  if (total === 0 || done === 0) return 'reading';
  const amount = (count: number) => (isText ? formatBytes(count) : String(count));
  const left = formatDuration((seconds * (total - done)) / done);
  const out = skipped > 0 ? `, ${skipped} left out` : '';
  return `${amount(done)} of ${amount(total)}, ${amount(Math.round(done / seconds))}/s, ${left} left${out}`;
}

async function printDatasets(name: string | undefined, { json }: Flags): Promise<void> {
  const home = await sdpHome();
  if (name !== undefined) {
    const found = await getDataset(home, name);
    if (json) return printJson(found);
    printList([dataset.parse(found)]);
    return printAccount(found.account);
  }
  const { datasets, damaged } = await listDatasets(home);
  for (const error of damaged) printNote(`sdp: ${error.message}`);
  if (json) return printJson({ datasets });
  if (datasets.length === 0) return printLine('No dataset is imported yet; add one with "sdp import PATH".');
  printList(datasets);
}

function printList(datasets: Dataset[]): void {
  printTable([
    ['NAME', 'KIND', 'TRAINING', 'VALIDATION', 'CONTENT', 'SIZE'],
    ...datasets.map((d) => [d.name, d.kind, String(d.train), String(d.test), contentOf(d), formatBytes(d.bytes)]),
  ]);
}

/** [C,H,W] in words. */
function sampleText([channels, height, width]: readonly number[]): string {
  return `${formatExtent(height!, width!)} ${channels === 1 ? 'grey' : 'colour'}`;
}

/** What samples of a dataset are. */
const contentOf = (of: Dataset): string =>
  of.kind === 'images' ? `${of.classes} classes of ${sampleText(of.sample)}` : `vocabulary ${of.vocabulary}`;

function printVerdict(found: Verdict): void {
  const { format, content, train, test, bytes, exact, problems, importable } = found;
  printLine(format ? `${found.name}: ${format.title}` : `${found.name}: not recognised`);
  if (content) {
    const about = exact ? '' : 'about ';
    const unit = content.kind === 'images' ? 'samples' : 'tokens';
    printLine(`  ${about}${train} training and ${test} validation ${unit}, ${formatBytes(bytes)} when imported`);
    if (content.kind === 'images') {
      const { looked, unreadable } = content;
      const of = exact ? '' : ` of ${train + test + unreadable}`;
      const bad = unreadable === 0 ? '' : `; ${unreadable} of them cannot be read and are not counted`;
      if (of || bad) printLine(`  looked at ${looked}${of} images${bad}`);
      const names = content.classes.slice(0, 12).map(({ name, train: count }) => `${name} (${count})`);
      const more = content.classes.length > 12 ? ', ...' : '';
      printLine(`  ${content.classes.length} classes: ${names.join(', ')}${more}`);
      printLine(`  stored as ${sampleText(content.sample)}, ${content.storage}`);
    } else {
      const source = content.documents > 0 ? `${content.documents} documents, tokenizer ${content.tokenizer}, ` : '';
      printLine(`  ${source}vocabulary ${content.vocabulary}`);
    }
  }
  problems.forEach(printProblem);
  printAccount(found.account);
  const partly = exact ? '' : ', as far as it was looked at';
  printLine(importable ? `  ready to import${partly}` : '  cannot be imported as it is');
}

/** Every file: what is used as what, and what is not. */
function printAccount(account: AccountLine[]): void {
  for (const used of [true, false]) {
    const lines = account.filter((line) => line.used === used);
    if (lines.length > 0) printLine(used ? '  used:' : '  not used:');
    for (const { count, unit, what, examples } of lines) {
      const shown = examples.slice(0, 3).join(', ') + (count > Math.min(examples.length, 3) ? ', ...' : '');
      const one = count === 1 ? unit.slice(0, -1) : unit;
      printLine(`    ${count} ${one}: ${what}${examples.length > 0 ? ` (${shown})` : ''}`);
    }
  }
}

function printProblem({ severity, message, places, count, remedies }: Problem): void {
  printLine(`  ${severity}: ${message}`);
  const shown = places.slice(0, 5).filter(({ file }) => !message.includes(file));
  for (const { file, row, offset } of shown)
    printLine(`    ${file}${row === undefined ? '' : ` row ${row}`}${offset === undefined ? '' : ` byte ${offset}`}`);
  if (shown.length > 0 && count > shown.length) printLine(`    ... ${count} in all`);
  for (const { title, options } of remedies) printLine(`    ${title}: ${flagsOf(options)}`);
}

/** Options as they are written on the command line. */
function flagsOf(options: ImportOptions): string {
  return Object.entries(options)
    .map(([key, value]) => {
      const flag = flagOf(key);
      return value === true ? flag : `${flag} ${JSON.stringify(value).replace(/^"([\w./-]+)"$/, '$1')}`;
    })
    .join(' ');
}
