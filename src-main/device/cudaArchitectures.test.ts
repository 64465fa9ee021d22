import { expect, it } from 'vitest';
import { runsOn } from './cudaArchitectures.ts';

/** As in onnxruntime-gpu 1.30. */
const provider = { architectures: ['7.5', '8.0', '8.6', '8.9', '9.0a', '12.0a'], hasPtx: false };

it.each([
  ['V100', [7, 0], false],
  ['T4', [7, 5], true],
  ['A100', [8, 0], true],
  ['Orin', [8, 7], true],
  ['H100', [9, 0], true],
  ['B200', [10, 0], false],
  ['Thor', [11, 0], false],
  ['RTX 5090', [12, 0], true],
  ['GB10', [12, 1], false],
] as const)('knows whether code of the provider runs on %s', (_, capability, runs) =>
  expect(runsOn(provider, capability)).toBe(runs),
);

it('knows code for a family, and code that drivers compile', () => {
  expect(runsOn({ architectures: ['12.0f'], hasPtx: false }, [12, 1])).toBe(true);
  expect(runsOn({ architectures: ['10.3f'], hasPtx: false }, [10, 0])).toBe(false);
  expect(runsOn({ architectures: [], hasPtx: true }, [13, 0])).toBe(true);
});
