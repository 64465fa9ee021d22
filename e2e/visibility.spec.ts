// What two pages of one app are sent while a run trains: the one that is hidden hears of no steps, yet at once of a pause; visible again it
// shows the newest step.

import type { Page } from '@playwright/test';
import { expect, test } from './lab.ts';

test('a hidden page is sent no steps, and shows the newest when it is visible again', async ({ lab }, info) => {
  test.skip(info.project.name === 'electron', 'messages over a port cannot be counted from outside');
  test.setTimeout(10 * 60_000);
  const first = lab.page;
  const firstFrames = framesOf(first);
  await first.reload();
  await first.getByRole('button', { name: 'Start sample Handwritten digits with ResNet-18' }).click();
  await expect.poll(() => stepOf(first), { timeout: 180_000 }).toBeGreaterThan(0);

  const second = await first.context().newPage();
  const secondFrames = framesOf(second);
  await second.goto(await addressOf(first));
  await second.getByRole('link', { name: 'mnist-resnet18', exact: true }).click();
  await expect.poll(() => stepOf(second)).toBeGreaterThan(0);

  await setHidden(first, true);
  await expect.poll(() => firstFrames.lastVisibility()).toBe(false);
  const [before, shownBefore, secondBefore] = [firstFrames.steps(), await stepOf(first), secondFrames.steps()];
  await expect.poll(() => secondFrames.steps(), { timeout: 60_000 }).toBeGreaterThan(secondBefore + 3);
  await second.getByRole('button', { name: 'Pause' }).click();
  await expect(stateOf(second)).toContainText('Paused after step');
  await expect(stateOf(first)).toContainText('Paused after step');
  await second.getByRole('button', { name: 'Resume run' }).click();
  await expect(stateOf(first)).toContainText('Training, step');
  expect(firstFrames.steps()).toBe(before);

  const reached = await stepOf(second);
  expect(reached).toBeGreaterThan(shownBefore);
  await setHidden(first, false);
  await expect.poll(() => stepOf(first)).toBeGreaterThanOrEqual(reached);
  await expect.poll(() => firstFrames.steps(), { timeout: 60_000 }).toBeGreaterThan(before);
  await second.close();
});

const stateOf = (page: Page) => page.getByLabel('State of the run');

const stepOf = async (page: Page) => Number(/step (\d+)/.exec(await stateOf(page).innerText())?.[1] ?? 0);

/** The whole address of the page's app, with its key. */
const addressOf = (page: Page) =>
  page.evaluate(() => `${location.origin}/#key=${sessionStorage.getItem('sdp-lab key')}`);

/** A headless page is never hidden by itself. */
const setHidden = (page: Page, hidden: boolean) =>
  page.evaluate((value) => {
    Object.defineProperty(document, 'hidden', { value, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);

/** What goes over the sockets that a page opens from now on. */
function framesOf(page: Page) {
  let steps = 0;
  let visible = true;
  const asked = new Map<number, boolean>();
  page.on('websocket', (socket) => {
    socket.on('framesent', ({ payload }) => {
      const call = JSON.parse(String(payload)) as { id: number; command?: string; params: { visible: boolean } };
      if (call.command === 'setVisible') asked.set(call.id, call.params.visible);
    });
    socket.on('framereceived', ({ payload }) => {
      const { id, events } = JSON.parse(String(payload)) as { id?: number; events?: { name: string }[] };
      if (events?.some(({ name }) => name === 'stepsAppended')) steps++;
      visible = asked.get(id!) ?? visible;
    });
  });
  return { steps: () => steps, lastVisibility: () => visible };
}
