// Usage: node scripts/test.mjs [--only STAGE] - sets up and runs everything: setup, then check and unit beside rust, torture and e2e. The last line has
// the totals.

import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { keepPackages, restorePackages } from './lib/cache.mjs';
import { nodeScript, root, run } from './lib/processes.mjs';
import { setUp, SetupError } from './lib/setUp.mjs';

const reports = join(root, 'out/test');
const none = { passed: 0, failed: 0, skipped: 0 };
const rustLint = 'rust lint';

/** Stage -> totals; `note` says why something was skipped. */
const stages = {
  setup: testSetup,
  check: testCheck,
  rust: testRust,
  unit: testUnit,
  torture: testTorture,
  e2e: testPages,
};

async function testSetup() {
  try {
    await setUp({ say: (line) => console.log(line) });
    restorePackages();
    return { ...none, passed: 1 };
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(error.message);
    return { ...none, failed: 1 };
  }
}

async function testCheck() {
  const { checks, runChecks } = await import('./check.mjs');
  return await runChecks(Object.keys(checks).filter((name) => name !== rustLint));
}

/** Behind the tests, as cargo builds for one of both at a time. */
async function testRust() {
  const { runChecks } = await import('./check.mjs');
  return sum(await testCrates(), await runChecks([rustLint]));
}

async function testCrates() {
  const result = { ...none };
  const args = [
    'test',
    '--manifest-path',
    'native/Cargo.toml',
    '--workspace',
    '--release',
    '--locked',
    '--no-fail-fast',
  ];
  let output = '';
  const { code } = await run('cargo', args, { onStdout: (text) => (process.stdout.write(text), (output += text)) });
  for (const [, passed, failed, ignored] of output.matchAll(
    /^test result: .* (\d+) passed; (\d+) failed; (\d+) ignored/gm,
  )) {
    result.passed += Number(passed);
    result.failed += Number(failed);
    result.skipped += Number(ignored);
  }
  return failedAnyway(code, result);
}

async function testUnit() {
  const report = join(reports, 'unit.json');
  rmSync(report, { force: true });
  const args = ['run', '--reporter=dot', '--reporter=json', `--outputFile.json=${report}`];
  const { code } = await nodeScript('node_modules/vitest/vitest.mjs', args);
  const { numPassedTests = 0, numFailedTests = 0, numPendingTests = 0, numTodoTests = 0 } = readReport(report);
  const result = { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests + numTodoTests };
  return failedAnyway(code, result);
}

/** Two minutes of it. Disturbances count as tests. */
async function testTorture() {
  let output = '';
  const onStdout = (text) => (process.stdout.write(text), (output += text));
  const { code } = await nodeScript('scripts/torture.mjs', ['--minutes', '2', '--seed', '1'], { onStdout });
  const [, events, violations] = /^ *(\d+) +(\d+) in all$/m.exec(output) ?? [];
  if (events === undefined) return failedAnyway(code, { ...none, skipped: 1, note: output.trim() });
  const failed = Number(violations);
  return failedAnyway(code, { ...none, passed: Number(events) - failed, failed });
}

async function testPages() {
  const { chromiumPath, electronPath } = await import('./lib/browsers.mjs');
  const notes = [];
  if (!electronPath()) notes.push('not run in Electron: its binary or a display is missing');
  if (!chromiumPath()) notes.push('not run in Chromium: none was found (install one or set SDP_CHROMIUM)');
  const projects = [...(chromiumPath() ? ['chromium'] : []), ...(electronPath() ? ['electron'] : [])];
  const skipped = 2 - projects.length;
  if (projects.length === 0) return { ...none, skipped, note: notes.join('; ') };
  const report = join(reports, 'e2e.json');
  rmSync(report, { force: true });
  const args = ['test', '--reporter=list,json', ...projects.map((name) => `--project=${name}`)];
  const env = { PLAYWRIGHT_JSON_OUTPUT_NAME: report };
  const { code } = await nodeScript('node_modules/@playwright/test/cli.js', args, { env });
  const { expected = 0, unexpected = 0, flaky = 0, skipped: left = 0 } = readReport(report).stats ?? {};
  const result = { passed: expected, failed: unexpected + flaky, skipped: left + skipped, note: notes.join('; ') };
  return failedAnyway(code, result);
}

/** A runner that failed without a failed test (it did not compile, it crashed) counts as one. */
function failedAnyway(code, result) {
  return code !== 0 && result.failed === 0 ? { ...result, failed: 1 } : result;
}

function readReport(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {};
}

function sum(one, other) {
  return Object.fromEntries(Object.keys(none).map((key) => [key, one[key] + other[key]]));
}

function counts({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

async function main() {
  const { only } = parseArgs({ options: { only: { type: 'string' } } }).values;
  if (only && !Object.hasOwn(stages, only))
    throw new Error(`There is no stage "${only}"; there are: ${Object.keys(stages).join(', ')}`);
  mkdirSync(reports, { recursive: true });
  let total = none;
  const lines = [];
  /** Whether something failed. */
  const runStage = async (name) => {
    console.log(`\n== ${name}`);
    const start = Date.now();
    const result = await stages[name]();
    total = sum(total, result);
    const seconds = ((Date.now() - start) / 1000).toFixed(0);
    lines.push(`${name.padEnd(6)} ${counts(result)} (${seconds} s)${result.note ? `; ${result.note}` : ''}`);
    return result.failed > 0;
  };
  if (only) await runStage(only);
  else if (!(await runStage('setup'))) {
    // Each lane waits for its processes, disks and pages half of the time.
    const lanes = [
      ['check', 'unit'],
      ['rust', 'torture', 'e2e'],
    ];
    const runLane = async (names) => {
      for (const name of names) await runStage(name);
    };
    await Promise.all(lanes.map(runLane));
  }
  if (!only) keepPackages();
  console.log(`\n${lines.join('\n')}\n${counts(total)}`);
  process.exitCode = total.failed > 0 ? 1 : 0;
}

await main();
