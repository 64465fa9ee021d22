// Software Vulkan for tests of WebGPU: the driver and the loader that Debian's chromium brings. Drivers are found through variables that
// must be set before a process starts, so tests set them for the device processes that they start.

import { existsSync } from 'node:fs';

const folder = '/usr/lib/chromium';
const driver = `${folder}/vk_swiftshader_icd.json`;

/** Environment of a process that is to use it; null where it is not installed. */
export const softwareVulkan: Readonly<Record<string, string>> | null = existsSync(driver)
  ? {
      VK_DRIVER_FILES: driver,
      VK_ICD_FILENAMES: driver,
      LD_LIBRARY_PATH: [folder, process.env.LD_LIBRARY_PATH].filter(Boolean).join(':'),
    }
  : null;

/** For the names of tests that need it. */
export const onSoftwareVulkan = softwareVulkan
  ? 'on software Vulkan'
  : 'on software Vulkan (skipped: install the Debian package chromium, which brings the driver)';
