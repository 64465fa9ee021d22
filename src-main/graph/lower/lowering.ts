// What a lowering is: a composite operator in standard ones.

import type { GraphBuilder, Node, Value } from '../graph.ts';
import type { LoweringOptions } from './formulations.ts';

/** What a graph is to run on; `any`: standard ONNX operators only, for files that leave the app. */
export type ExecutionProvider = 'cpu' | 'webgpu' | 'cuda' | 'any';

/** Values that stand for the outputs of the node, or null to keep it. */
export type Lowering = (
  g: GraphBuilder,
  node: Node,
  provider: ExecutionProvider,
  options: LoweringOptions,
) => readonly Value[] | null;
