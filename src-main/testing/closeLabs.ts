// Behind the tests of a file: closes the labs that it opened, and checks that their device processes are gone.

import { afterAll, expect } from 'vitest';
import { within } from '../processes/deviceProcess.ts';
import { opened } from './lab.ts';

afterAll(async () => {
  for (const { app, processes } of opened.splice(0)) {
    await app.close();
    const exits = await Promise.all(processes.map(({ exited }) => within(exited, 10_000)));
    expect(exits, 'exits of the device processes of a closed lab').not.toContain(undefined);
  }
});
