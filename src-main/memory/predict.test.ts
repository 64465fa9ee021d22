import { expect, test } from 'vitest';
import { createModel } from '../families/models.ts';
import { predictDevice, sessionMemory, type SessionMemory } from './predict.ts';
import { storeLayout } from './storeLayout.ts';

const model = createModel({
  family: 'resnet',
  layers: [1, 1],
  width: 8,
  stem: 'cifar',
  channels: 1,
  image: [8, 8],
  classes: 10,
});
const held = { blocks: model.blocks, neurons: {} };
const masks = { granularity: 'block', masking: 'forward', held: [held, held, held] } as const;

const plain = {
  numParticipants: 1,
  optimizerSlots: ['exp_avg', 'exp_avg_sq'],
  statisticsBatches: 0,
  evaluationBatches: 1,
};
const layout = storeLayout(model.tensors, { ...masks, held: [...masks.held] }, plain);
const session = sessionMemory(model.training({ batch: 4, granularity: 'block', masking: 'forward', held }), 1);

function predict(workers: number[], ownMemory: boolean) {
  const training = workers.map(() => session);
  return predictDevice(layout, {
    share: { from: 0, to: 1, of: 1 },
    workers,
    whole: false,
    training,
    evaluation: [],
    ownMemory,
  });
}

test('the sessions of a CPU device share the store and an arena', () => {
  const { weights, activations, optimizer } = predict([0, 1, 2], false);
  expect(activations).toBe(session.graph.arenaBytes + session.graph.constants.arenaBytes);
  expect(weights).toBeLessThan(2 * session.bound.weights);
  expect(optimizer).toBeGreaterThan(0);
});

test('on a device with memory of its own every session has its weights and gradients, every graph its arena; the optimizer stays on the host', () => {
  const one = predict([0], true);
  const scalars = model.tensors.reduce((sum, { shape }) => sum + shape.reduce((size, extent) => size * extent, 1), 0);
  expect(one.weights).toBe(4 * scalars);
  expect(one.gradients).toBe(4 * scalars);
  expect(one.optimizer).toBe(0);
  expect(one.total).toBe(one.weights + one.gradients + one.activations + one.workspace);
  const three = predict([0, 1, 2], true);
  expect(three.weights).toBe(3 * one.weights);
  expect(three.activations).toBe(one.activations);
});

test('a graph of its own has constants and an arena of its own', () => {
  const other = sessionMemory(model.training({ batch: 4, granularity: 'block', masking: 'forward', held }), 1);
  const of = (training: SessionMemory[], ownMemory: boolean) =>
    predictDevice(layout, {
      share: { from: 0, to: 1, of: 1 },
      workers: [0, 1],
      whole: false,
      training,
      evaluation: [],
      ownMemory,
    });
  const { arenaBytes, constants } = session.graph;
  expect(of([session, other], false).activations).toBe(arenaBytes + 2 * constants.arenaBytes);
  expect(of([session, other], true).activations).toBe(2 * (arenaBytes + constants.arenaBytes));
});
