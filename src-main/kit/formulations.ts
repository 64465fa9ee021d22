// Times every formulation of the gradients of convolutions and of batch normalisation on the shapes of the models, and compares their results. The
// table goes into graph/lower/cudaFormulations.json with the card's name and date, from which the lowering takes the best.

import { formulationsOf, type Formulation } from '../graph/lower/formulations.ts';
import { formulationGraph, formulationSubjects, shapeClassOf, type FormulationSubject } from '../graph/lower/timing.ts';
import { preloadFor } from '../device/cudaLibraries.ts';
import { native } from '../native.ts';
import { runtimeLibrary } from '../runtime/runtimeLibrary.ts';
import { type KitContext, median, type Section, type SectionLog } from './section.ts';

export const formulationsSection: Section = {
  name: 'formulations',
  title: 'Formulations of gradients, each by itself',
  limit: 70,
  skip: ({ device }) => (device.kind === 'webgpu' ? 'the lowering chooses among formulations on CUDA alone' : null),
  run: timeFormulations,
};

/** Largest difference of results over their largest value that still counts as the same. */
const sameResult = 1e-3;

async function timeFormulations(context: KitContext, log: SectionLog): Promise<void> {
  log.note('Milliseconds of one run (medians); results compared with those of the first formulation that works.');
  const { device, quick } = context;
  const preload = await preloadFor(device.kind, runtimeLibrary());
  const row = log.table('', ['operator', 'shape', 'formulation', 'ms', 'differs by', 'beside the best']);
  const best: Ranking[] = [];
  const all = formulationSubjects();
  for (const subject of quick ? all.filter((_, index) => index % 10 === 9) : all) {
    const results: { name: Formulation; ms: number; difference: number }[] = [];
    let reference: Float32Array[] | undefined;
    for (const name of formulationsOf(subject.operator, { customOps: device.kind === 'cuda' })) {
      try {
        const { ms, outputs } = await native().timeGraph(formulationGraph(subject, name).onnx, {
          runtimeLibrary: runtimeLibrary(),
          preload,
          kind: device.kind,
          index: device.index,
          threads: 2,
          customOperators: device.kind === 'cuda',
          warmUps: quick ? 1 : 5,
          repeats: quick ? 2 : 20,
          seed: 1,
        });
        reference ??= outputs;
        results.push({ name, ms: median(ms), difference: largestDifference(outputs, reference) });
      } catch (error) {
        log.problem(`${subject.operator} ${subject.title} ${name}`, error);
      }
    }
    const least = Math.min(...results.map(({ ms }) => ms));
    best.push({ subject, names: results.sort((a, b) => a.ms - b.ms).map(({ name }) => name) });
    for (const { name, ms, difference } of results) {
      row([subject.operator, subject.title, name, ms, difference, `${(ms / least).toFixed(2)} times`]);
      if (!(difference < sameResult))
        log.problem(
          `${subject.operator} ${subject.title} ${name}`,
          Number.isFinite(difference) ? 'it gives another result' : 'its result has values that are no numbers',
        );
    }
  }
  if (best.some(({ names }) => names.length > 0))
    log.note(`Rules for graph/lower/cudaFormulations.json: ${JSON.stringify(rulesOf(best))}`);
}

/** Over all outputs: largest difference over the largest value. */
function largestDifference(found: readonly Float32Array[], expected: readonly Float32Array[]): number {
  const errors = expected.map((values, output) => {
    const own = found[output];
    if (own?.length !== values.length) return Infinity;
    let [difference, largest] = [0, 0];
    values.forEach((value, i) => {
      const gap = Math.abs(own[i]! - value);
      difference = Math.max(difference, gap);
      largest = Math.max(largest, Math.abs(value));
    });
    return Number.isNaN(difference) ? Infinity : difference / (largest || 1);
  });
  return Math.max(...errors);
}

/** Formulations of a subject that work, the fastest first. */
interface Ranking {
  subject: FormulationSubject;
  names: Formulation[];
}

interface Rule {
  stride?: number | undefined;
  taps?: number | undefined;
  maxChannels?: number;
  maxPixels?: number;
  use: Formulation;
}

type Rules = Partial<Record<FormulationSubject['operator'], Rule[]>>;

/**
 * By operator, smaller shapes first, the fastest formulation; where that is a custom operator, the fastest of the others behind it, for
 * sessions without custom operators. What is larger than all that was measured takes what the largest took.
 */
export function rulesOf(rankings: readonly Ranking[]): Rules {
  const rules: Rules = {};
  const classed = rankings.map(({ subject, names }) => ({
    ...shapeClassOf(subject),
    names,
    operator: subject.operator,
  }));
  classed.sort((a, b) => a.pixels - b.pixels || a.channels - b.channels);
  for (const { operator, channels, pixels, stride, taps, names } of classed) {
    const standard = names.find((name) => name !== 'cudnn');
    if (standard === undefined) continue;
    const own = (rules[operator] ??= []);
    for (const use of names[0] === standard ? [standard] : [names[0]!, standard])
      own.push({ stride, taps, maxChannels: channels, maxPixels: pixels, use });
  }
  for (const own of Object.values(rules)) own.push({ use: own.at(-1)!.use });
  return rules;
}
