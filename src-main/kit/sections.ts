// The sections of the kit in order of worth. Each limit leaves room for a slow card; all together end after the eight minutes that main.ts gives.

import { casesSection, firstCaseSection } from './cases.ts';
import { copiesSection } from './copies.ts';
import { doctorSection } from './doctor.ts';
import { formulationsSection } from './formulations.ts';
import { profileSection } from './profile.ts';
import { faultsSection, mixedSection } from './runs.ts';
import type { Section } from './section.ts';
import { customSection, stepSection } from './steps.ts';
import { vulkanSection } from './vulkan.ts';

export const sections: readonly Section[] = [
  doctorSection,
  firstCaseSection,
  formulationsSection,
  stepSection('resnet', 'Steps beside PyTorch: ResNet', 60),
  stepSection('llama', 'Steps beside PyTorch: LLaMA', 75),
  stepSection('swin', 'Steps beside PyTorch: Swin Transformer', 60),
  casesSection,
  copiesSection,
  customSection,
  profileSection,
  mixedSection,
  faultsSection,
  vulkanSection,
];
