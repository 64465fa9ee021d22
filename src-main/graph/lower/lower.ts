// Replaces composite operators by standard ONNX operators, in the formulation that suits an execution provider.

import type { Graph } from '../graph.ts';
import { removeCommonSubexpressions } from '../passes/commonSubexpression.ts';
import { removeDeadCode } from '../passes/deadCode.ts';
import { simplify } from '../passes/simplify.ts';
import { rewrite } from '../passes/rewrite.ts';
import { lowerConv, lowerConvInputGradient } from './conv.ts';
import { lowerConvWeightGradient } from './weightGradient.ts';
import type { LoweringOptions } from './formulations.ts';
import type { ExecutionProvider, Lowering } from './lowering.ts';
import { lowerBatchNormalization, lowerBatchNormalizationGradient } from './norm.ts';
import { lowerGelu, lowerGeluGradient } from './gelu.ts';
import { lowerLayerNormalizationGradient } from './layerNorm.ts';
import { lowerTake } from './take.ts';
import { lowerMaxPoolGradient } from './pool.ts';
import { lowerReluGradient } from './elementwise.ts';
import { lowerGather, lowerGatherGradient } from './rows.ts';
import { transformerLowerings } from './transformer.ts';

const lowerings: Readonly<Record<string, Lowering>> = {
  StopGradient: (_, node) => node.inputs,
  ReluGradient: lowerReluGradient,
  MaxPoolGradient: lowerMaxPoolGradient,
  Conv: lowerConv,
  ConvInputGradient: lowerConvInputGradient,
  ConvWeightGradient: lowerConvWeightGradient,
  BatchNormalization: lowerBatchNormalization,
  BatchNormalizationGradient: lowerBatchNormalizationGradient,
  LayerNormalizationGradient: lowerLayerNormalizationGradient,
  Gelu: lowerGelu,
  GeluGradient: lowerGeluGradient,
  Take: lowerTake,
  Gather: lowerGather,
  GatherGradient: lowerGatherGradient,
  ...transformerLowerings,
};

/** A graph of standard operators, and custom ones where `options` allow them, cleaned up: ready to plan, write and run. */
export function lower(graph: Graph, provider: ExecutionProvider, options: LoweringOptions = {}): Graph {
  const lowered = rewrite(graph, (g, node) => lowerings[node.op.type]?.(g, node, provider, options) ?? null);
  return removeDeadCode(simplify(removeCommonSubexpressions(lowered)));
}
