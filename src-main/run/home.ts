// Where state lives.

import { homedir } from 'node:os';
import { join } from 'node:path';

/** $SDP_HOME, or the platform's folder for application data. */
export function sdpHome(): string {
  const { SDP_HOME, APPDATA, XDG_DATA_HOME } = process.env;
  if (SDP_HOME) return SDP_HOME;
  if (process.platform === 'win32') return join(APPDATA ?? join(homedir(), 'AppData/Roaming'), 'sdp-lab');
  if (process.platform === 'darwin') return join(homedir(), 'Library/Application Support/sdp-lab');
  return join(XDG_DATA_HOME || join(homedir(), '.local/share'), 'sdp-lab');
}
