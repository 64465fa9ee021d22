// A promise that is settled from outside: Promise.withResolvers, which Node 20 does not have.

export interface Deferred<T> {
  promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

export function deferred<T = void>(): Deferred<T> {
  let functions!: Pick<Deferred<T>, 'resolve' | 'reject'>;
  const promise = new Promise<T>((resolve, reject) => (functions = { resolve, reject }));
  return { promise, ...functions };
}
