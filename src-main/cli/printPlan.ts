// A plan for people: who holds what, and what each device will need.

import { formatBytes } from '../contract/bytes.ts';
import { imbalance, misfitOf, settingsOf, type Plan } from '../contract/plan.ts';
import { printTable } from './output.ts';

export function printPlan(plan: Plan): void {
  const { model, batch } = plan;
  console.log(
    `${model.family}, ${count(model.parameters)} parameters, ${count(model.maskable)} of them maskable; ` +
      `${plan.granularity} granularity, ${plan.masking} masking, ${coverageText(plan)}`,
  );
  console.log(`batch ${batch.global} (${batch.perWorker} per worker), ${batch.stepsPerEpoch} steps per epoch\n`);
  printTable([
    ['UNIT', 'PARAMETERS', ...plan.workers.map(({ worker }) => `W${worker}`)],
    ...plan.units.map(unitRow(plan)),
  ]);
  console.log();
  printTable([
    ['WORKER', 'DEVICE', 'PARAMETERS', 'GFLOP/SAMPLE', 'ACTIVATIONS'],
    ...plan.workers.map((w) => [
      `W${w.worker}`,
      w.device,
      count(w.parameters),
      (w.flopsPerSample / 1e9).toFixed(3),
      formatBytes(w.activationBytes),
    ]),
  ]);
  printMixing(plan);
  printTable([
    ['DEVICE', 'WORKERS', 'WEIGHTS', 'GRADIENTS', 'OPTIMIZER', 'ACTIVATIONS', 'WORKSPACE', 'PREDICTED', 'CAPACITY', ''],
    ...plan.devices.map(({ id, workers, memory: m, capacityBytes }) => [
      id,
      workers.join(','),
      ...[m.weights, m.gradients, m.optimizer, m.activations, m.workspace, m.total, capacityBytes].map(formatBytes),
      m.total <= capacityBytes ? 'fits' : 'does not fit',
    ]),
  ]);
  printFit(plan);
}

function coverageText({ assignment, coverage, coverageRange: [least, most], numWorkers }: Plan): string {
  if (assignment !== 'file') return `coverage ${coverage} of ${numWorkers}, assigned by ${assignment}`;
  const range = least === most ? `${least}` : `${least} to ${most} (mean ${coverage.toFixed(2)})`;
  return `coverage ${range} of ${numWorkers}, assigned by a file`;
}

function printMixing(plan: Plan): void {
  const slowest = 100 * imbalance(plan.workers.map((worker) => worker.flopsPerSample));
  console.log(`\nThe slowest worker has ${slowest.toFixed(1)} % more FLOPs than the mean.`);
  console.log(`Spectral gap ${plan.spectralGap.toFixed(4)}: 1 where averaging once makes all workers equal, 0 never.`);
  if (!plan.connected)
    console.log('The graph of workers and units is not connected: some workers share no unit, even through others.');
  console.log();
}

function printFit(plan: Plan): void {
  const misfit = misfitOf(plan, formatBytes);
  if (!misfit) return;
  console.log(`\nIt does not fit: ${misfit}.`);
  for (const change of plan.changes)
    console.log(
      `  ${settingsOf(change)}: ${formatBytes(change.neededBytes)} of ${formatBytes(change.capacityBytes)} on ${change.device}, ` +
        (change.fits ? 'fits' : 'does not fit'),
    );
}

const unitRow = (plan: Plan) => (unit: Plan['units'][number]) => [
  unit.id,
  count(unit.parameters),
  ...plan.workers.map(({ worker }) =>
    unit.held ? `${unit.held[worker]!.length}/${unit.size}` : unit.holders.includes(worker) ? '■' : '·',
  ),
];

function count(value: number): string {
  return value.toLocaleString('en-US');
}
