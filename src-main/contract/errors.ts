// Errors that a user can cause and mend. Everything else is a bug and stays a plain Error.

/** Stable codes; the exit code of the `sdp` command follows from them (see exitCode). */
export type ErrorCode =
  | 'usage' // the command line or a message is wrong
  | 'configuration' // a key of the run configuration, or a combination of keys
  | 'data' // a dataset or one of its files
  | 'device' // a device that is absent, failed or was lost
  | 'storage' // reading or writing under the data folder (full disk, permissions)
  | 'checkpoint' // a checkpoint that is missing, damaged or of another model
  | 'divergence' // training came to numbers that are not finite
  | 'conflict' // the state does not allow it (run already active, name taken)
  | 'disconnected' // the peer went away before it answered
  | 'cancelled'
  | 'internal'; // a bug, as seen from the other side of a transport

/** Longest message; the middle of a longer one, which repeats something large, is left out. */
const longest = 2000;

const shortened = (message: string): string =>
  message.length <= longest ? message : `${message.slice(0, longest / 2)} ... ${message.slice(-longest / 2)}`;

/** One sentence that says what is wrong, where, and what to do. `key` is the offending configuration key, file or row. */
export class UserError extends Error {
  override readonly name = 'UserError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: { key?: string; cause?: unknown } = {},
  ) {
    super(shortened(message), { cause: options.cause });
    this.key = options.key;
  }

  readonly key: string | undefined;
}

/** Exit code of a command that ended with this error: 2 for wrong usage or configuration, 1 for everything else. */
export function exitCode(error: unknown): 1 | 2 {
  return error instanceof UserError && (error.code === 'usage' || error.code === 'configuration') ? 2 : 1;
}
