// Two ways to work the page: with the mouse, or with the keyboard alone.

import type { Locator, Page } from '@playwright/test';
import { expect } from './lab.ts';

export interface Hand {
  /** Button, link, checkbox, summary. */
  activate(target: Locator): Promise<void>;
  fill(target: Locator, text: string): Promise<void>;
  /** An option of a list that the field narrows. */
  select(field: Locator, option: string): Promise<void>;
  /** An item of the menu that the button opens. */
  choose(button: Locator, item: string): Promise<void>;
  /** Opens the dialog of a control that takes files. */
  browse(target: Locator): Promise<void>;
  /** A slider with `stops` places, to the one numbered `place` from 0. */
  slide(target: Locator, place: number, stops: number): Promise<void>;
  /** A stroke from the top to the bottom of a drawing. */
  draw(target: Locator): Promise<void>;
}

export function mouse(page: Page): Hand {
  return {
    activate: (target) => target.click(),
    browse: (target) => target.locator('..').click(),
    select: (_field, option) => page.getByRole('option', { name: option }).click(),
    choose: async (button, item) => {
      await button.click();
      await page.getByRole('menuitem', { name: item, exact: true }).click();
    },
    fill: async (target, text) => {
      await target.click({ clickCount: 3 });
      await page.keyboard.type(text);
    },
    slide: async (target, place, stops) => {
      const { width, height } = (await target.boundingBox())!;
      await target.click({ position: { x: 8 + ((width - 16) * place) / (stops - 1), y: height / 2 } });
    },
    draw: async (target) => {
      const { x, y, width, height } = (await target.boundingBox())!;
      await page.mouse.move(x + 0.5 * width, y + 0.2 * height);
      await page.mouse.down();
      await page.mouse.move(x + 0.5 * width, y + 0.8 * height, { steps: 6 });
      await page.mouse.up();
    },
  };
}

export function keyboard(page: Page): Hand {
  return {
    activate: async (target) => {
      await tabTo(page, target);
      const isBox = await target.evaluate((element) => element instanceof HTMLInputElement);
      await page.keyboard.press(isBox ? 'Space' : 'Enter');
    },
    browse: async (target) => {
      await tabTo(page, target);
      await page.keyboard.press('Enter');
    },
    select: async (field, option) => {
      await tabTo(page, field);
      await page.keyboard.press('ControlOrMeta+A');
      await page.keyboard.type(option);
      await page.keyboard.press('Enter');
    },
    choose: async (button, item) => {
      await tabTo(page, button);
      await page.keyboard.press('Enter');
      const target = page.getByRole('menuitem', { name: item, exact: true });
      await expect(page.getByRole('menuitem').first()).toBeFocused();
      for (let presses = 0; !(await isFocused(target)); presses++) {
        expect(presses).toBeLessThan(await page.getByRole('menuitem').count());
        await page.keyboard.press('ArrowDown');
      }
      await page.keyboard.press('Enter');
    },
    fill: async (target, text) => {
      await tabTo(page, target);
      await page.keyboard.press('ControlOrMeta+A');
      await page.keyboard.type(text);
    },
    slide: async (target, place) => {
      await tabTo(page, target);
      await page.keyboard.press('Home');
      for (let step = 0; step < place; step++) await page.keyboard.press('ArrowRight');
    },
    draw: async (target) => {
      await tabTo(page, target);
      for (let step = 0; step < 12; step++) await page.keyboard.press('Shift+ArrowDown');
    },
  };
}

const mostTabs = 250;

const isFocused = (target: Locator) => target.evaluate((element) => element === document.activeElement);

async function tabTo(page: Page, target: Locator): Promise<void> {
  await expect(target).toBeEnabled();
  for (let presses = 0; presses < mostTabs; presses++) {
    if (await isFocused(target)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error('the keyboard does not reach it');
}
