import { expect, test } from 'vitest';
import { judgeCargo, judgeNpm } from './audits.mjs';

const ended = (output, code = 1) => ({ code, output, timedOut: false });
const npmReport = (...severities) => {
  const entries = severities.map((severity, index) => [`p${index}`, { name: `p${index}`, severity }]);
  return JSON.stringify({ auditReportVersion: 2, vulnerabilities: Object.fromEntries(entries) });
};

test('an audit of npm fails at high severities, and passes below', () => {
  expect(judgeNpm(ended(npmReport(), 0))).toEqual({ state: 'ok', reason: '' });
  expect(judgeNpm(ended(npmReport('low', 'moderate')))).toEqual({ state: 'ok', reason: '' });
  const found = npmReport('critical', 'low', 'high');
  expect(judgeNpm(ended(found))).toEqual({ state: 'FAILED', reason: 'vulnerable: p0 (critical), p2 (high)' });
});

test('an audit of npm that a registry does not answer, or that takes too long, is skipped with the reason', () => {
  const refusal = `{"message": "405 Method Not Allowed", "error": {"summary": ""}}\nnpm error audit endpoint returned an error`;
  expect(judgeNpm(ended(refusal))).toEqual({ state: 'skipped', reason: '405 Method Not Allowed' });
  expect(judgeNpm({ ...ended(''), timedOut: true })).toEqual({ state: 'skipped', reason: 'it took more than 120 s' });
  expect(judgeNpm(ended('npm error code ENOLOCK\nnpm error audit'))).toEqual({
    state: 'skipped',
    reason: 'npm error code ENOLOCK',
  });
});

test('an audit of cargo fails where there are vulnerabilities, and is skipped without its program or its database', () => {
  const report = (list) => `Fetching advisory database\n${JSON.stringify({ vulnerabilities: { list } })}`;
  const entry = { advisory: { id: 'RUSTSEC-2026-0001' }, package: { name: 'p', version: '1.0.0' } };
  expect(judgeCargo(ended(report([]), 0))).toEqual({ state: 'ok', reason: '' });
  expect(judgeCargo(ended(report([entry])))).toEqual({
    state: 'FAILED',
    reason: 'vulnerable: p 1.0.0 (RUSTSEC-2026-0001)',
  });
  expect(judgeCargo(ended('error: no such command: `audit`', 101)).reason).toMatch('cargo-audit is not installed');
  expect(judgeCargo(ended("error: couldn't fetch advisory database"))).toEqual({
    state: 'skipped',
    reason: "error: couldn't fetch advisory database",
  });
  expect(judgeCargo(ended('', 127))).toEqual({ state: 'skipped', reason: 'it was not found' });
});
