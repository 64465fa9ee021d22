// Keeps a page to one folder: every path that it sends must lie there, or in the data folder, once symbolic links are followed. What lies in a
// folder or table that is given there cannot lead out of it: native/data follows no link and no name that does.

import { stat } from 'node:fs/promises';
import { isAbsolute, resolve, sep } from 'node:path';
import { appCommands, type AppCommands } from '../contract/commands.ts';
import { UserError } from '../contract/errors.ts';
import { pathsIn } from '../contract/userPath.ts';
import { isBelow, realPath } from '../files/paths.ts';
import type { AppHandlers, AppHost } from '../host/appHost.ts';

type Handler = (params: unknown, context: { signal: AbortSignal }) => unknown;

/** The app as a page sees it that may name paths in `root` only. Fails where that is no folder. */
export async function confined({ handlers, events }: AppHost, root: string, home: string): Promise<AppHost> {
  const folder = resolve(root);
  if (!(await isFolder(folder))) throw new UserError('usage', `--root must be a folder, and ${folder} is not a folder`);
  const check = async (command: keyof AppCommands, params: unknown): Promise<void> => {
    const allowed = await Promise.all([folder, resolve(home)].map(realPath));
    for (const { key, path } of pathsIn(appCommands[command].params, params)) {
      const reals = await Promise.all([resolve(path), asOpened(path)].map(realPath));
      if (reals.every((real) => allowed.some((one) => real === one || isBelow(real, one)))) continue;
      const sentence = `${path} does not lie in ${folder}, the folder that "sdp serve --root" keeps this page to; choose a path in it`;
      throw new UserError('usage', sentence, { key });
    }
  };
  const checked = Object.entries(handlers).map(([name, handler]): [string, Handler] => [
    name,
    async (params, context) => {
      await check(name as keyof AppCommands, params);
      return await (handler as Handler)(params, context);
    },
  ]);
  return { handlers: Object.fromEntries(checked) as unknown as AppHandlers, events };
}

/** As the system takes it: `..` after a link leads to the folder above where the link leads, and not above the link. */
const asOpened = (path: string): string => (isAbsolute(path) ? path : process.cwd() + sep + path);

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
