// A plan for people: who holds what, and what each device will need.

import { formatBytes } from '../contract/bytes.ts';
import { imbalance, misfitOf, settingsOf, type Plan } from '../contract/plan.ts';
import { printLine, printTable } from './output.ts';

export function printPlan(plan: Plan): void {
  const { model, batch } = plan;
  printLine(
    `${model.family}, ${count(model.parameters)} parameters, ${count(model.maskable)} of them maskable; ` +
      `${plan.granularity} granularity, ${plan.masking} masking, ${coverageText(plan)}`,
  );
  printLine(
    `batch ${batch.global} (${batch.perWorker} per worker${batchParts(batch)}), ${batch.stepsPerEpoch} steps per epoch`,
  );
  printLine();
  printTable([
    ['UNIT', 'PARAMETERS', ...plan.workers.map(({ worker }) => `W${worker}`)],
    ...plan.units.map(unitRow(plan)),
  ]);
  printLine();
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
  printLine();
  printLine(`The slowest worker has ${slowest.toFixed(1)} % more FLOPs than the mean.`);
  printLine(`Spectral gap ${plan.spectralGap.toFixed(4)}: 1 where averaging once makes all workers equal, 0 never.`);
  if (!plan.connected)
    printLine('The graph of workers and units is not connected: some workers share no unit, even through others.');
  printLine();
}

function printFit(plan: Plan): void {
  const misfit = misfitOf(plan, formatBytes);
  if (!misfit) return;
  printLine();
  printLine(`It does not fit: ${misfit}.`);
  for (const change of plan.changes)
    printLine(
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

/** How a worker's samples are cut up, where they are. */
const batchParts = ({ perWorker, microBatch }: Plan['batch']) =>
  microBatch === perWorker ? '' : ` in micro-batches of ${microBatch}`;

function count(value: number): string {
  return value.toLocaleString('en-US');
}
