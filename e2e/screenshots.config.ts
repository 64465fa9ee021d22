// `npm run screenshots`: pictures of the user's guide into docs/images, and of every view at three sizes, light and dark, into out/screenshots.

import { defineConfig } from '@playwright/test';
import base from '../playwright.config.ts';

export default defineConfig({
  ...base,
  testDir: 'screens',
  testMatch: '*.screens.ts',
  projects: base.projects!.filter(({ name }) => name === 'chromium'),
});
