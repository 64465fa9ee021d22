// Files that a page sends, kept in HOME/uploads/PID/ID/ until they are imported or put away: a browser does not tell where dropped files lie.
//
//   PUT /upload/ID/RELATIVE/PATH   one file, answered with the folder of the upload
//   DELETE /upload/ID              puts the upload away
//
// A name can lead nowhere but into its folder, only regular files and folders are made, and nothing is overwritten. The one limit of size is
// the free space of the disk. Whatever fails takes its whole upload with it. Uploads of servers that are gone are removed at the next start.

import { open, readdir, rm, statfs } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { dirname, join, resolve, sep } from 'node:path';
import { formatBytes } from '../contract/bytes.ts';
import { UserError } from '../contract/errors.ts';
import { makeFolder, storageError, systemCode } from '../files/files.ts';
import { isAlive } from '../processes/isAlive.ts';
import type { AppHost } from '../host/appHost.ts';
import { uploadPath } from '../transport/page.ts';

export interface Answer {
  status: number;
  /** A sentence where it failed. */
  text: string;
}

interface Upload {
  /** Files on their way. */
  writing: Map<IncomingMessage, Promise<void>>;
  gone: boolean;
}

export class Uploads {
  readonly #folder: string;
  readonly #uploads = new Map<string, Upload>();
  readonly #unsubscribe: () => void;

  constructor(
    private readonly home: string,
    { events }: AppHost,
  ) {
    this.#folder = join(home, 'uploads', String(process.pid));
    this.#unsubscribe = events.subscribe((event) => {
      if (event.name !== 'importChanged' || event.payload.import.state === 'running') return;
      const paths = event.payload.import.paths.map((path) => resolve(path));
      for (const id of this.#uploads.keys())
        if (paths.some((path) => path.startsWith(join(this.#folder, id) + sep))) void this.#remove(id);
    });
  }

  /** Removes what servers left that did not end well. */
  async removeStale(): Promise<void> {
    const uploads = join(this.home, 'uploads');
    const servers = await readdir(uploads).catch(() => []);
    const stale = servers.filter((pid) => Number(pid) === process.pid || !isAlive(Number(pid)));
    await Promise.all(stale.map((pid) => removed(join(uploads, pid))));
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    await Promise.all([...this.#uploads.keys()].map((id) => this.#remove(id)));
    await removed(this.#folder);
  }

  /** Of a request that may: method and address are still to be checked. */
  async answer(request: IncomingMessage): Promise<Answer> {
    const [id = '', ...names] = request.url!.slice(uploadPath.length).split('/');
    if (!/^[\w-]{16,64}$/.test(id)) return { status: 404, text: 'there is no such upload' };
    try {
      if (request.method === 'DELETE' && names.length === 0) {
        await this.#remove(id);
        return { status: 200, text: '' };
      }
      if (request.method !== 'PUT' || names.length === 0)
        return { status: 405, text: 'only PUT of a file and DELETE of an upload' };
      await this.#receive(id, names.map(decodedName), request);
      return { status: 201, text: join(this.#folder, id) };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      await this.#remove(id);
      // The page reads the answer when all that it sends was taken.
      request.resume();
      return { status: error.code === 'storage' ? 507 : 400, text: error.message };
    }
  }

  async #receive(id: string, names: string[], request: IncomingMessage): Promise<void> {
    const upload: Upload = this.#uploads.get(id) ?? { writing: new Map(), gone: false };
    if (upload.gone) throw new UserError('usage', 'the upload was discarded');
    this.#uploads.set(id, upload);
    const written = this.#write(join(this.#folder, id, ...names), request).finally(() =>
      upload.writing.delete(request),
    );
    upload.writing.set(
      request,
      written.catch(() => {}),
    );
    await written;
  }

  async #write(path: string, request: IncomingMessage): Promise<void> {
    const bytes = Number(request.headers['content-length'] ?? NaN);
    if (!Number.isSafeInteger(bytes)) throw new UserError('usage', 'the header Content-Length is required');
    try {
      await makeFolder(dirname(path), 0o700);
      const { bavail, bsize } = await statfs(dirname(path));
      if (bytes > bavail * bsize) throw noRoom(bytes, bavail * bsize, this.#folder);
      await writeAll(path, request);
    } catch (error) {
      if (systemCode(error) === 'EEXIST') throw new UserError('usage', 'a file was sent twice', { cause: error });
      if (request.errored) throw new UserError('cancelled', 'the upload was cut off', { cause: error });
      throw storageError(error, path);
    }
  }

  async #remove(id: string): Promise<void> {
    const upload: Upload = this.#uploads.get(id) ?? { writing: new Map(), gone: true };
    // A file of it that is still on its way must not bring it back.
    this.#uploads.set(id, upload);
    upload.gone = true;
    for (const request of upload.writing.keys()) request.destroy(new Error('the upload was discarded'));
    await Promise.all(upload.writing.values());
    await removed(join(this.#folder, id));
  }
}

/** What cannot be removed goes at the next start. */
const removed = (path: string): Promise<void> => rm(path, { recursive: true, force: true }).catch(() => undefined);

/** Leaves the request as it is on a failure, so that it can still be answered. */
async function writeAll(path: string, request: IncomingMessage): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) await file.writeFile(chunk as Buffer);
  } finally {
    await file.close();
  }
}

/** A part of a relative path; refused where it could lead out of its folder or is no name. */
function decodedName(part: string, index: number): string {
  const name = decoded(part);
  const drive = index === 0 && /^[A-Za-z]:/.test(name);
  if (name !== '' && name !== '.' && name !== '..' && !drive && !/[\\/\x00-\x1f\x7f]/.test(name)) return name;
  throw new UserError('usage', `${JSON.stringify(name)} cannot be the name of a file that is sent; rename it`);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new UserError('usage', `${JSON.stringify(part)} is no name of a file`);
  }
}

function noRoom(bytes: number, free: number, folder: string): UserError {
  const sentence = `a file of ${formatBytes(bytes)} does not fit on the disk of ${folder}, which has ${formatBytes(free)} free`;
  return new UserError('storage', `${sentence}; free some space and try again`);
}
