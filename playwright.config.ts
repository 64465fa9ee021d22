// End-to-end tests: the same specs in Chromium against the loopback page, and in Electron where its binary is.
//
// Chromium: SDP_CHROMIUM, the system's, or Playwright's own. `scripts/lib/browsers.mjs` finds it; `npm test` says so where there is none.

import { defineConfig } from '@playwright/test';
import { chromiumPath, electronPath, runsAsRoot } from './scripts/lib/browsers.mjs';

const electron = electronPath();

export default defineConfig({
  testDir: 'e2e',
  outputDir: 'out/test/e2e',
  // Each test has a server, a data folder and a browser of its own.
  workers: 2,
  fullyParallel: true,
  forbidOnly: Boolean(process.env.CI),
  timeout: 5 * 60_000,
  expect: { timeout: 20_000 },
  reporter: [['list']],
  use: { actionTimeout: 30_000, trace: 'retain-on-failure', screenshot: 'only-on-failure' },
  projects: [
    {
      name: 'chromium',
      use: {
        browserName: 'chromium',
        viewport: { width: 1280, height: 800 },
        launchOptions: {
          executablePath: chromiumPath(),
          args: [
            ...(runsAsRoot ? ['--no-sandbox'] : []),
            '--disable-background-networking',
            '--disable-component-update',
            '--no-first-run',
          ],
        },
      },
    },
    // Specs tagged @electron or untagged; where the binary is missing the project has no specs and `npm test` names the reason.
    { name: 'electron', testIgnore: electron ? [] : '**', metadata: { electron } },
  ],
});
