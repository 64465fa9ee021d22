import { expect, it } from 'vitest';
import { UserError } from './errors.ts';

it('cuts a message that would fill a screen in its middle, so that what to do stays', () => {
  const { message } = new UserError('data', `there is no dataset "${'x'.repeat(5e6)}"; import it first`);
  expect(message.length).toBeLessThan(2100);
  expect(message).toMatch(/^there is no dataset "x+ \.\.\. x+"; import it first$/);
  expect(new UserError('data', 'x'.repeat(2000)).message).toBe('x'.repeat(2000));
});
