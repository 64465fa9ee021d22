import { expect, it } from 'vitest';
import { GraphBuilder } from '../graph/graph.ts';
import { toOnnx } from '../graph/onnx.ts';
import { mul } from '../graph/ops/elementwise.ts';
import { probeGraph } from './probeGraph.ts';

it('is what the builder makes of it', () => {
  const g = new GraphBuilder('probe');
  g.output('y', mul(g, g.input('x', 'float32', [1]), g.scalar(2)));
  expect(Buffer.from(probeGraph).toString('base64')).toBe(Buffer.from(toOnnx(g.build())).toString('base64'));
});
