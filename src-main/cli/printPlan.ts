// A plan for people: who holds what, and what each device will need.

import type { Plan } from '../contract/plan.ts';
import { formatBytes, printTable } from './output.ts';

export function printPlan(plan: Plan): void {
  const { model, batch, coverage, numWorkers } = plan;
  console.log(
    `${model.family}, ${count(model.parameters)} parameters, ${count(model.maskable)} of them maskable; ` +
      `${plan.granularity} granularity, ${plan.masking} masking, coverage ${coverage} of ${numWorkers}`,
  );
  console.log(
    `batch ${batch.global} (${batch.perWorker} per worker${batchParts(batch)}), ${batch.stepsPerEpoch} steps per epoch\n`,
  );
  printTable([
    ['UNIT', 'PARAMETERS', ...plan.workers.map(({ worker }) => `W${worker}`)],
    ...plan.units.map(unitRow(plan)),
  ]);
  console.log();
  printTable([
    ['WORKER', 'DEVICE', 'PARAMETERS', 'GFLOP/SAMPLE'],
    ...plan.workers.map((w) => [`W${w.worker}`, w.device, count(w.parameters), (w.flopsPerSample / 1e9).toFixed(3)]),
  ]);
  console.log();
  printTable([
    ['DEVICE', 'WORKERS', 'WEIGHTS', 'GRADIENTS', 'OPTIMIZER', 'ACTIVATIONS', 'WORKSPACE', 'PREDICTED'],
    ...plan.devices.map(({ id, workers, memory: m }) => [
      id,
      workers.join(','),
      ...[m.weights, m.gradients, m.optimizer, m.activations, m.workspace, m.total].map(formatBytes),
    ]),
  ]);
  if (!plan.connected)
    console.log('\nThe graph of workers and units is not connected: some workers share no unit, even through others.');
}

const unitRow = (plan: Plan) => (unit: Plan['units'][number]) => [
  unit.id,
  count(unit.parameters),
  ...plan.workers.map(({ worker }) =>
    unit.held ? `${unit.held[worker]!.length}/${unit.size}` : unit.holders.includes(worker) ? '■' : '·',
  ),
];

/** How a worker's samples are cut up, where they are. */
const batchParts = ({ perWorker, microBatch }: Plan['batch']) =>
  microBatch === perWorker ? '' : ` in micro-batches of ${microBatch}`;

function count(value: number): string {
  return value.toLocaleString('en-US');
}
