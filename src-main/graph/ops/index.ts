// All operators. ops.test.ts fails for one that lacks a gradient rule (or a reason) or a test entry.

import { attentionOps } from './attention.ts';
import { broadcastOps } from './broadcast.ts';
import { convOps } from './conv.ts';
import { elementwiseOps } from './elementwise.ts';
import { gatingOps } from './gating.ts';
import { geluOps } from './gelu.ts';
import { indexingOps } from './indexing.ts';
import { layerNormOps } from './layerNorm.ts';
import { linalgOps } from './linalg.ts';
import { movementOps } from './movement.ts';
import { normOps } from './norm.ts';
import { orderingOps } from './ordering.ts';
import { poolOps } from './pool.ts';
import { reductionOps } from './reduction.ts';
import { reshapeOps } from './reshape.ts';
import { rmsNormOps } from './rmsNorm.ts';
import { rotaryOps } from './rotary.ts';
import { softmaxOps } from './softmax.ts';
import { takeOps } from './take.ts';
import { tokenLossOps } from './tokenLoss.ts';
import type { Op } from '../graph.ts';

export const allOps: readonly Op[] = [
  ...elementwiseOps,
  ...broadcastOps,
  ...reductionOps,
  ...reshapeOps,
  ...movementOps,
  ...indexingOps,
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
];
