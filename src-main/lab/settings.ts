// The settings of the app, HOME/settings.json, replaced as a whole. A file that cannot be read counts as none.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { settings, type Settings } from '../contract/settings.ts';
import { makeFolder, replaceFile } from '../files/files.ts';

export async function readSettings(home: string): Promise<Settings> {
  const text = await readFile(join(home, 'settings.json'), 'utf8').catch(() => '{}');
  return settings.safeParse(parsed(text)).data ?? settings.parse({});
}

export async function writeSettings(home: string, next: Settings): Promise<void> {
  await makeFolder(home);
  await replaceFile(join(home, 'settings.json'), (file) => file.writeFile(JSON.stringify(next)));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
