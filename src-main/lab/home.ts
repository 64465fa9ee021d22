// Where state lives: $SDP_HOME, else the folder that was chosen (dataFolder.ts), else the platform's folder for application data.
//
// The choice is kept in the platform's folder, outside of what it names. Where the chosen folder is not there, that is an error and no other
// folder is taken: its runs would seem lost. It has `runs` in it since it was chosen, so that the empty mount point of a disk that is not
// mounted is told apart.

import { access, constants, readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { z } from 'zod';
import { UserError } from '../contract/errors.ts';
import { systemCode, whyUnread } from '../files/files.ts';

const choice = z.strictObject({ folder: z.string().refine(isAbsolute) });
export type Choice = z.infer<typeof choice>;

/** The data folder for this process. */
export async function sdpHome(): Promise<string> {
  const fixed = fixedHome();
  if (fixed !== null) return fixed;
  const chosen = await readChoice();
  if (chosen !== null) await checkChosen(chosen);
  return chosen ?? defaultHome();
}

/** What the environment says, before any choice. */
export function fixedHome(): string | null {
  const { SDP_HOME } = process.env;
  return SDP_HOME ? resolve(SDP_HOME) : null;
}

/** The platform's folder for application data. */
export function defaultHome(): string {
  const { APPDATA, XDG_DATA_HOME } = process.env;
  if (process.platform === 'win32') return join(APPDATA ?? join(homedir(), 'AppData/Roaming'), 'sdp-lab');
  if (process.platform === 'darwin') return join(homedir(), 'Library/Application Support/sdp-lab');
  return join(XDG_DATA_HOME || join(homedir(), '.local/share'), 'sdp-lab');
}

export const choiceFile = () => join(defaultHome(), 'data-folder.json');

/** The chosen folder; null: none. */
export async function readChoice(): Promise<string | null> {
  const file = choiceFile();
  try {
    return choice.parse(JSON.parse(await readFile(file, 'utf8'))).folder;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    const remedy = `remove it to have the data folder at ${defaultHome()}, or mend it`;
    const message = `${file} should name the data folder as {"folder": "/an/absolute/path"} and cannot be read; ${remedy}`;
    throw new UserError('storage', message, { key: file, cause: error });
  }
}

async function checkChosen(folder: string): Promise<void> {
  const problem = await problemOf(folder);
  if (problem === null) return;
  const remedy = `make it available (is its disk mounted?), or change or remove the choice, which is kept in ${choiceFile()}`;
  throw new UserError('storage', `the data folder ${folder} ${problem}; ${remedy}`, { key: folder });
}

/** Why a chosen folder cannot be used; null where it can. */
async function problemOf(folder: string): Promise<string | null> {
  try {
    if (!(await readdir(folder)).includes('runs')) return 'has no runs folder in it any more';
    await access(folder, constants.W_OK);
    return null;
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    return code === 'ENOENT' ? 'is not there' : `cannot be read and written${whyUnread(error)}`;
  }
}
