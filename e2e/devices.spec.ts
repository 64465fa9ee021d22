// The devices of a run that is under way: one is killed and brought back, another joins, and one leaves.

import { readdir, readFile } from 'node:fs/promises';
import { keyboard, mouse } from './hands.ts';
import { expect, test } from './lab.ts';
import { checkLook } from './look.ts';

/** Process number of a device of the app over `home`. */
async function deviceProcess(home: string, id: string): Promise<number> {
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const read = (name: string) => readFile(`/proc/${pid}/${name}`, 'utf8').then((text) => text.split('\0'));
    const [command, environment] = await Promise.all([read('cmdline'), read('environ')]).catch(() => []);
    if (command?.includes(id) && environment?.includes(`SDP_HOME=${home}`)) return Number(pid);
  }
  throw new Error(`there is no process of ${id}`);
}

test('a device that is lost comes back, another joins, and one leaves', async ({ lab }) => {
  test.skip(process.platform !== 'linux', 'device processes are found in /proc');
  test.setTimeout(10 * 60_000);
  const { page } = lab;
  await page.getByRole('button', { name: 'Start sample Handwritten digits with ResNet-18' }).click();
  const devices = page.getByRole('region', { name: 'Devices and memory' });
  const history = page.getByRole('list', { name: 'History by step' });
  await expect(devices).toContainText('measured', { timeout: 120_000 });
  process.kill(await deviceProcess(lab.home, 'cpu:1'), 'SIGKILL');
  const lost = devices.getByRole('list', { name: 'Lost devices' });
  await expect(lost).toContainText('ended with signal SIGKILL', { timeout: 60_000 });
  await expect(history).toContainText('Lost cpu:1: device cpu:1 (process');
  await expect(devices).toContainText('workers 0, 1, 2, 3');
  await checkLook(page);
  await mouse(page).activate(lost.getByRole('button', { name: 'Bring cpu:1 back into the run' }));
  await expect(history).toContainText('cpu:1 joined', { timeout: 60_000 });
  await expect(lost).toHaveCount(0);
  await expect(devices.getByRole('button', { name: 'Remove cpu:1 from the run' })).toBeEnabled();
  await devices.getByRole('button', { name: 'Add device' }).click();
  await page.getByRole('menuitem', { name: /^cpu:2/ }).click();
  await expect(history).toContainText('cpu:2 joined', { timeout: 60_000 });
  await keyboard(page).activate(devices.getByRole('button', { name: 'Remove cpu:0 from the run' }));
  await expect(history).toContainText('cpu:0 left', { timeout: 60_000 });
  await expect(devices.getByRole('button', { name: 'Remove cpu:0 from the run' })).toHaveCount(0);
  await page.getByRole('button', { name: 'Stop run' }).click();
  await expect(page.getByRole('button', { name: 'Resume run' })).toBeVisible({ timeout: 120_000 });
  await expect(devices.getByRole('button', { name: 'Add device' })).toHaveCount(0);
  const samples = /^[\d,]+ samples in [\d,]+ steps: none was skipped, none was read twice in an epoch\.$/;
  await expect(devices.getByText(samples)).toBeVisible();
});
