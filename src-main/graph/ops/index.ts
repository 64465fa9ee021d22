// All operators, by name.
//
// For each of `operators` the type checker wants a kernel in testing/operators, and the table test (ops.test.ts) an entry. Custom operators have
// neither: no other library than native/core runs them, so they are tested there.

import { attentionOps } from './attention.ts';
import { broadcastOps } from './broadcast.ts';
import { convOps, CudnnConvInputGradient, CudnnConvWeightGradient } from './conv.ts';
import { Publish } from './copies.ts';
import { cumSumOps } from './cumSum.ts';
import { elementwiseOps } from './elementwise.ts';
import { gatingOps } from './gating.ts';
import { geluOps } from './gelu.ts';
import { indexingOps } from './indexing.ts';
import { layerNormOps } from './layerNorm.ts';
import { linalgOps } from './linalg.ts';
import { movementOps } from './movement.ts';
import { CudnnBatchNormalization, CudnnBatchNormalizationGradient, normOps } from './norm.ts';
import { orderingOps } from './ordering.ts';
import { poolOps } from './pool.ts';
import { reductionOps } from './reduction.ts';
import { reshapeOps } from './reshape.ts';
import { rmsNormOps } from './rmsNorm.ts';
import { rotaryOps } from './rotary.ts';
import { softmaxOps } from './softmax.ts';
import { takeOps } from './take.ts';
import { tokenLossOps } from './tokenLoss.ts';

export const operators = {
  ...elementwiseOps,
  ...broadcastOps,
  ...reductionOps,
  ...reshapeOps,
  ...movementOps,
  ...indexingOps,
  ...cumSumOps,
  ...linalgOps,
  ...convOps,
  ...poolOps,
  ...normOps,
  ...orderingOps,
  ...layerNormOps,
  ...geluOps,
  ...takeOps,
  ...softmaxOps,
  ...rmsNormOps,
  ...rotaryOps,
  ...attentionOps,
  ...gatingOps,
  ...tokenLossOps,
};

export type OperatorName = keyof typeof operators;

export const customOperators = {
  CudnnConvInputGradient,
  CudnnConvWeightGradient,
  CudnnBatchNormalization,
  CudnnBatchNormalizationGradient,
  Publish,
};
