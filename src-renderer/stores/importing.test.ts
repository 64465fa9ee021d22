import { expect, test, vi } from 'vitest';
import { UserError } from '../../src-main/contract/errors.ts';
import { useConnectionStore } from './connection.ts';
import { useImportStore } from './importing.ts';
import { datasetOf, testApp } from './testApp.ts';

test('an import tells its dataset, and a failed one says why', async () => {
  const app = testApp({
    importDataset: ({ path }) => {
      if (path === '/none') throw new UserError('data', '/none does not exist', { key: '/none' });
      return datasetOf('fashion');
    },
  });
  const connection = useConnectionStore();
  connection.start(app.connect);
  await vi.waitUntil(() => connection.isOpen);
  const imports = useImportStore();
  imports.path = ' /none ';
  expect(await imports.start()).toBe(false);
  expect([imports.error, imports.running, imports.path]).toEqual(['/none does not exist.', false, ' /none ']);
  imports.path = '/data';
  expect(await imports.start()).toBe(true);
  expect([imports.error, imports.imported?.name, imports.path]).toEqual(['', 'fashion', '']);
});
