// Text for a terminal or a log, where names of files, classes, datasets and runs may hold anything.
//
// Control characters (escape sequences of terminals, line ends) and those that change the direction of text are spelt out, so that a name
// neither acts nor looks like something else.

const acting = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** One line, whatever is in it: `\x1b` in the place of an escape, `\n` of a line end. */
export const visible = (text: string): string =>
  text.replace(acting, (character) => short[character] ?? spelt(character));

/** JSON that a terminal shows as it is: what JSON itself leaves raw is spelt out too. */
export const visibleJson = (value: unknown): string => JSON.stringify(value).replace(acting, unicode);

/** Text of several lines of our own, such as a stack. Later lines are indented, so that none looks like an entry of a log. */
export const visibleLines = (text: string): string => text.split('\n').map(visible).join('\n  ');

/** An unexpected exception with its stack and its causes. */
export function visibleBug(error: unknown): string {
  if (!(error instanceof Error)) return visibleLines(String(error));
  const cause = error.cause === undefined ? '' : `\ncaused by ${visibleBug(error.cause)}`;
  return visibleLines(error.stack ?? error.message) + cause;
}

const short: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

const hex = (character: string, digits: number) => character.charCodeAt(0).toString(16).padStart(digits, '0');
const unicode = (character: string) => `\\u${hex(character, 4)}`;
const spelt = (character: string) => (character < '\u0100' ? `\\x${hex(character, 2)}` : unicode(character));
