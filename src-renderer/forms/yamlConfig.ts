// A run configuration as YAML: written, read, and the line of a key that is wrong.

import { LineCounter, isNode, parseDocument, stringify, type Document } from 'yaml';
import { UserError } from '../../src-main/contract/errors.ts';
import { parseRunConfig, type RunConfig } from '../../src-main/contract/runConfig.ts';

export function yamlOf(config: unknown): string {
  return stringify(config, { flowCollectionPadding: false, lineWidth: 0 });
}

export type YamlResult = { config: RunConfig } | { line: number; message: string };

/** The configuration, or what is wrong with the first line (from 1) that is. */
export function readYaml(text: string): YamlResult {
  const lines = new LineCounter();
  let document: Document;
  let raw: unknown;
  try {
    document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
    const [broken] = document.errors;
    if (broken) return { line: lines.linePos(broken.pos[0]).line, message: broken.message };
    raw = document.toJS();
  } catch (error) {
    // Aliases that multiply without end, or nesting beyond the stack.
    return { line: 1, message: (error as Error).message };
  }
  try {
    return { config: parseRunConfig(raw) };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { line: lineOf(document, lines, error.key), message: error.message };
  }
}

/** Line of a dotted key, or of the nearest section above it that is there. */
export function lineOfKey(text: string, key: string): number {
  const lines = new LineCounter();
  return lineOf(parseDocument(text, { lineCounter: lines }), lines, key);
}

function lineOf(document: Document, lines: LineCounter, key = ''): number {
  const path = key.split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}
