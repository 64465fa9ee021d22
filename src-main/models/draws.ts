// Random factors of a training graph, as inputs that are drawn for every micro-batch: 0 with the probability `drop`, else 1 / (1 - drop).
//
// Stochastic depth drops whole residual branches, sample by sample, as torchvision's StochasticDepth in mode `row` does; block l of L, from
// 1, with the probability p l / L (Huang et al., 2016, "Deep Networks with Stochastic Depth"). Dropout drops features before the classifier.
// Each input has a number of its own, from which, with seed, step, worker and sample, native/core/src/draws.rs draws its factors.

import type { GraphBuilder, Value } from '../graph/graph.ts';
import { mul } from '../graph/ops/elementwise.ts';
import type { DrawPort, TrainingOptions } from './model.ts';

/** Branches of a block that are dropped apart from each other, at most. */
const branchesPerBlock = 8;

export class Draws {
  readonly ports: DrawPort[] = [];

  constructor(
    private readonly g: GraphBuilder,
    private readonly blocks: readonly string[],
    private readonly options: Pick<TrainingOptions, 'dropout' | 'stochasticDepth'>,
  ) {}

  /** The output of a residual branch of a block, as it is added to x [B,...]; `branch` counts the branches of the block. */
  branch(block: string, x: Value, output: Value, branch = 0): Value {
    const index = this.blocks.indexOf(block);
    const drop = ((this.options.stochasticDepth ?? 0) * (index + 1)) / this.blocks.length;
    const shape = x.shape.map((extent, axis) => (axis === 0 ? extent : 1));
    return this.factors(
      output,
      'stochasticDepth',
      `depth/${block}/${branch}`,
      1 + index * branchesPerBlock + branch,
      drop,
      shape,
    );
  }

  /** Features [B,...] before the classifier. */
  features(x: Value): Value {
    return this.factors(x, 'dropout', 'dropout', 0, this.options.dropout ?? 0, x.shape);
  }

  private factors(
    x: Value,
    key: DrawPort['key'],
    port: string,
    index: number,
    drop: number,
    shape: readonly number[],
  ): Value {
    if (drop === 0) return x;
    this.ports.push({ key, port, index, drop, shape: [...shape] });
    return mul(this.g, x, this.g.input(port, 'float32', shape));
  }
}
