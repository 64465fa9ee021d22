// What `sdp doctor` says of this machine, first: what is wrong here explains what fails below.

import { diagnose } from '../device/doctor.ts';
import type { Section } from './section.ts';

export const doctorSection: Section = {
  name: 'doctor',
  title: 'What this machine has (sdp doctor)',
  limit: 30,
  run: async ({ device }, log) => {
    const { machine, findings } = await diagnose({ purpose: device.kind });
    log.note(machine);
    const row = log.table('', ['what', 'state', 'detail', 'remedy']);
    for (const { title, state, detail, remedy } of findings) {
      row([title, state, detail, remedy ?? '']);
      if (state === 'missing') log.problem(title, [detail, remedy].filter(Boolean).join('; remedy: '));
    }
  },
};
