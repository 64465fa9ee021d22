// Tests beside the code: `.test.ts` alone, `.process.test.ts` with real processes. The pages are tested by Playwright in e2e/.

import { availableParallelism } from 'node:os';
import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'vitest/config';

const withProcesses = '**/*.process.test.*';

export default defineConfig({
  plugins: [vue()],
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    unstubEnvs: true,
    restoreMocks: true,
    // Tests with processes wait for them half of the time.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      {
        extends: true,
        test: {
          name: 'alone',
          include: [
            'src-main/**/*.test.ts',
            'src-renderer/**/*.test.ts',
            'scripts/**/*.test.mjs',
            'bench/**/*.test.ts',
          ],
          exclude: [withProcesses],
          pool: 'threads',
          isolate: false,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'with processes',
          include: [`src-main/${withProcesses}`, `scripts/${withProcesses}`],
          setupFiles: ['src-main/testing/closeLabs.ts'],
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
