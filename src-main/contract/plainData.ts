// What data that came from outside (YAML, JSON, a message) must be before anything walks through it: nested a few levels deep, with keys that
// objects can have.

const deepest = 64;

/** The key of something that is not so, dotted, with what is wrong; null where all is well. */
export function plainDataProblem(data: unknown): { key: string; problem: string } | null {
  const path: string[] = [];
  const visit = (value: unknown): string | null => {
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return null;
    if (path.length === deepest) return `is nested more than ${deepest} levels deep`;
    for (const key of Object.keys(value)) {
      path.push(key);
      const problem = key === '__proto__' ? 'is not a key' : visit((value as Record<string, unknown>)[key]);
      if (problem !== null) return problem;
      path.pop();
    }
    return null;
  };
  const problem = visit(data);
  return problem === null ? null : { key: path.slice(0, 4).join('.') + (path.length > 4 ? '...' : ''), problem };
}

/** A value as messages show it, cut where it is long. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length <= 200 ? text : `${text.slice(0, 200)}...`;
}
