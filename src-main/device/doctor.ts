// What is right and wrong with this machine for training.

import type { Diagnosis, Purpose } from '../contract/doctor.ts';
import { findingsOf, machineLine } from './findings.ts';
import { machineFacts, type Surroundings } from './machineFacts.ts';

/** `purpose`: what is asked for; absent: what this machine is meant for. */
export async function diagnose({ purpose, ...around }: Surroundings & { purpose?: Purpose } = {}): Promise<Diagnosis> {
  const facts = await machineFacts(around);
  return { machine: machineLine(facts), findings: findingsOf(facts, purpose) };
}
