// Sizes of memory as people write and read them.

const factors: Record<string, number> = {
  '': 1,
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** Bytes of `2GiB`, `1.5 GB`, `512MiB` or a plain number of bytes; null where it is none of these, or less than one byte. */
export function parseBytes(size: string | number): number | null {
  const [, digits, unit] = /^(\d+(?:\.\d+)?) *([A-Za-z]*)$/.exec(String(size).trim()) ?? [];
  const factor = unit === undefined || !Object.hasOwn(factors, unit) ? undefined : factors[unit];
  const bytes = factor === undefined ? 0 : Math.round(Number(digits) * factor);
  return bytes >= 1 && Number.isSafeInteger(bytes) ? bytes : null;
}

/** `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const unit = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** unit).toFixed(unit === 0 ? 0 : 1)} ${units[unit]}`;
}
