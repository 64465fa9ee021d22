// Audits of what the lock files name: dependencies with known vulnerabilities. An audit that cannot run (no network, no service, no program) is
// skipped and says why.

import { npm, run } from './processes.mjs';

const capture = { stdio: 'capture', timeoutMs: 120_000 };

/** Name -> what ends with `state` ('ok', 'FAILED' or 'skipped') and its reason. */
export const audits = {
  'npm audit': async () =>
    judgeNpm(await npm(['audit', '--json', '--fetch-retries=0', '--fetch-timeout=30000'], capture)),
  'cargo audit': async () =>
    judgeCargo(await run('cargo', ['audit', '--json', '--file', 'native/Cargo.lock'], capture)),
};

/** Fails at severities from high on. */
export function judgeNpm(ended) {
  const report = jsonIn(ended.output);
  if (!report?.vulnerabilities) return { state: 'skipped', reason: report?.message || lastWords(ended) };
  const found = Object.values(report.vulnerabilities).filter(({ severity }) => /^(high|critical)$/.test(severity));
  return judged(found.map(({ name, severity }) => `${name} (${severity})`));
}

export function judgeCargo(ended) {
  if (/no such (sub)?command/.test(ended.output))
    return { state: 'skipped', reason: 'cargo-audit is not installed; "cargo install cargo-audit" installs it' };
  const list = jsonIn(ended.output)?.vulnerabilities?.list;
  if (!list) return { state: 'skipped', reason: lastWords(ended) };
  return judged(list.map(({ advisory, package: { name, version } }) => `${name} ${version} (${advisory.id})`));
}

const judged = (found) =>
  found.length === 0 ? { state: 'ok', reason: '' } : { state: 'FAILED', reason: `vulnerable: ${found.join(', ')}` };

/** What lies between the first and the last brace; undefined where that is not JSON. */
function jsonIn(output) {
  try {
    return JSON.parse(output.slice(output.indexOf('{'), output.lastIndexOf('}') + 1));
  } catch {
    return undefined;
  }
}

function lastWords({ code, timedOut, output }) {
  if (timedOut) return `it took more than ${capture.timeoutMs / 1000} s`;
  if (code === 127) return 'it was not found';
  const lines = output.split('\n').map((line) => line.trim());
  return lines.find((line) => /error/i.test(line)) ?? lines.findLast(Boolean) ?? `it ended with code ${code}`;
}
