// Files that the user drops or chooses, made readable for the app: on the desktop they have a path; from a browser they are sent to the server
// that this page came from (src-main/serve/uploads.ts), some at a time, with their paths relative to what was dropped.

import { UserError } from '../src-main/contract/errors.ts';
import { sessionKey, uploadPath, type Preload } from '../src-main/transport/page.ts';

export interface OfferedFile {
  /** Relative, with `/`. */
  path: string;
  file: File;
}

/** Paths where the page may know them, else the files. */
export type Offered = { paths: string[] } | { files: Promise<OfferedFile[]> };

export interface Sending {
  files: number;
  totalFiles: number;
  bytes: number;
  totalBytes: number;
}

export interface Sent {
  /** Of the upload, on the server. */
  folder: string;
  paths: string[];
  /** Removes what was sent. */
  discard: () => void;
}

/** As many as a browser opens connections. */
const sentAtOnce = 6;
const tellEveryMs = 100;
/** Of paths that the app is asked about; more files lie in a folder together. */
const mostPaths = 1000;

const preload = () => (window as typeof window & { sdpLab?: Preload }).sdpLab;

/** To be called while the event is handled: what it carries is gone after. */
export function fromDrop({ files, items }: DataTransfer): Offered {
  const desktop = preload();
  if (desktop) return { paths: [...files].map((file) => desktop.pathForFile(file)).filter(Boolean) };
  const entries = [...items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  return { files: entries.length > 0 ? filesOf(entries) : Promise.resolve(relative([...files])) };
}

export function fromPicker(files: readonly File[]): Offered {
  const desktop = preload();
  if (!desktop) return { files: Promise.resolve(relative(files)) };
  return { paths: topPaths(files.map((file) => [file.webkitRelativePath, desktop.pathForFile(file)])) };
}

/** Paths of what was chosen, of [path below it, path on the disk]: of each folder once. */
export function topPaths(files: readonly (readonly [relative: string, path: string])[]): string[] {
  return [...new Set(files.map(([below, path]) => path.slice(0, path.length - below.replace(/^[^/]*/, '').length)))];
}

const relative = (files: readonly File[]) =>
  files.map((file) => ({ path: file.webkitRelativePath || file.name, file }));

async function filesOf(entries: readonly FileSystemEntry[], found: OfferedFile[] = []): Promise<OfferedFile[]> {
  for (const entry of entries) {
    if (entry.isDirectory) await filesOf(await entriesOf(entry as FileSystemDirectoryEntry), found);
    else found.push({ path: entry.fullPath.replace(/^\//, ''), file: await fileOf(entry as FileSystemFileEntry) });
  }
  return found;
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

/** The browser hands them out in parts. */
async function entriesOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const part = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (part.length === 0) return all;
    all.push(...part);
  }
}

/** Sends all, or fails with what is wrong and leaves nothing. */
export async function sendFiles(
  offered: readonly OfferedFile[],
  { signal, onProgress }: { signal: AbortSignal; onProgress: (sending: Sending) => void },
): Promise<Sent> {
  const many = new Set(offered.map(topOf)).size > mostPaths;
  const files = many ? offered.map(({ path, file }) => ({ path: `files/${path}`, file })) : offered;
  const address = uploadPath + crypto.randomUUID();
  const headers = { Authorization: `Bearer ${sessionKey(window)}` };
  const discard = () => void fetch(address, { method: 'DELETE', headers, keepalive: true }).catch(() => {});
  const under = new Map<XMLHttpRequest, number>();
  const stop = () => under.forEach((_, request) => request.abort());
  const sending = {
    files: 0,
    totalFiles: files.length,
    bytes: 0,
    totalBytes: files.reduce((n, one) => n + one.file.size, 0),
  };
  let toldAt = -Infinity;
  const tell = () => {
    if (performance.now() - toldAt < tellEveryMs) return;
    toldAt = performance.now();
    onProgress({ ...sending, bytes: [...under.values()].reduce((sum, loaded) => sum + loaded, sending.bytes) });
  };
  let folder = '';
  let next = 0;

  async function work(): Promise<void> {
    for (let one = files[next++]; one; one = files[next++]) {
      signal.throwIfAborted();
      folder = await send(address, one, headers, (request, loaded) => (under.set(request, loaded), tell()), under);
      sending.files++;
      sending.bytes += one.file.size;
      tell();
    }
  }

  signal.addEventListener('abort', stop);
  try {
    tell();
    await Promise.all(Array.from({ length: sentAtOnce }, work));
  } catch (error) {
    next = files.length;
    stop();
    discard();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
  const names = [...new Set(files.map(topOf))];
  return { folder, paths: names.map((name) => `${folder}/${name}`), discard };
}

const topOf = ({ path }: OfferedFile) => path.split('/')[0]!;

/** One file; the folder of its upload. Notes its request with what was sent of it as long as it runs. */
function send(
  address: string,
  { path, file }: OfferedFile,
  headers: Record<string, string>,
  onLoaded: (request: XMLHttpRequest, bytes: number) => void,
  under: Map<XMLHttpRequest, number>,
): Promise<string> {
  const request = new XMLHttpRequest();
  under.set(request, 0);
  return new Promise<string>((resolve, reject) => {
    request.open('PUT', `${address}/${path.split('/').map(encodeURIComponent).join('/')}`);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener('progress', ({ loaded }) => onLoaded(request, loaded));
    request.addEventListener('load', () => {
      if (request.status === 201) resolve(request.responseText);
      else reject(new UserError('storage', request.responseText));
    });
    const broken = `${path} could not be sent: it cannot be read, or the connection broke; try again`;
    request.addEventListener('error', () => reject(new UserError('disconnected', broken)));
    request.addEventListener('abort', () => reject(new UserError('cancelled', 'the upload was cancelled')));
    request.send(file);
  }).finally(() => under.delete(request));
}
