import { describe, expect, it } from 'vitest';
import { graphFlops } from './flops.ts';
import { GraphBuilder, type Graph, type Value } from './graph.ts';
import { constantMemory, liveness } from './liveness.ts';
import { add, exp } from './ops/elementwise.ts';
import { conv } from './ops/conv.ts';
import { gemm, matMul } from './ops/linalg.ts';
import { reshape } from './ops/reshape.ts';
import { transpose } from './ops/movement.ts';

function graphOf(build: (g: GraphBuilder, x: Value) => Value): Graph {
  const g = new GraphBuilder('test');
  g.output('y', build(g, g.input('x', 'float32', [10, 10])));
  return g.build();
}

describe('liveness', () => {
  it('gives a result a buffer of its own, until its last reader is done', () => {
    const { peakBytes, arenaBytes } = liveness(graphOf((g, x) => transpose(g, exp(g, exp(g, exp(g, x))), [1, 0])));
    expect([peakBytes, arenaBytes]).toEqual([800, 2 * 512]);
  });

  it('keeps what is read later, and names what is alive at the peak', () => {
    const graph = graphOf((g, x) => {
      const kept = exp(g, x);
      const turned = transpose(g, exp(g, kept), [1, 0]);
      return matMul(g, kept, turned);
    });
    expect(liveness(graph)).toEqual({
      peakBytes: 1200,
      arenaBytes: 3 * 512,
      peakNode: 'Transpose_2',
      alive: [
        { name: 'Exp_0', bytes: 400 },
        { name: 'Exp_1', bytes: 400 },
        { name: 'Transpose_2', bytes: 400 },
      ],
      inputBytes: 400,
      outputBytes: 400,
      constantBytes: 0,
    });
  });

  it('keeps what nobody reads to the end', () => {
    const g = new GraphBuilder('test');
    const x = g.input('x', 'float32', [10, 10]);
    g.output('y', transpose(g, exp(g, exp(g, x)), [1, 0]));
    exp(g, x);
    expect(liveness(g.build()).peakBytes).toBe(1200);
  });

  it('counts no buffer for a reshaped input, and one for a reshaped intermediate', () => {
    const graph = graphOf((g, x) => {
      const flat = reshape(g, x, [100]);
      return transpose(g, reshape(g, exp(g, flat), [10, 10]), [1, 0]);
    });
    expect(liveness(graph).peakBytes).toBe(400);
  });

  it('does not count graph outputs as intermediates', () => {
    const graph = graphOf((g, x) => add(g, x, x));
    expect(liveness(graph)).toMatchObject({ peakBytes: 0, inputBytes: 400, outputBytes: 400 });
  });

  it('counts constants, and those that a file has for attributes', () => {
    const graph = graphOf((g, x) =>
      add(g, reshape(g, x, [100]), g.constant('float32', [100], new Array<number>(100).fill(1))),
    );
    expect(constantMemory(graph)).toEqual({ arenaBytes: 256, otherBytes: 400 });
  });
});

describe('graphFlops', () => {
  it('counts a multiply-add as two and moving data as none', () => {
    expect(graphFlops(graphOf((g, x) => transpose(g, x, [1, 0])))).toBe(0);
    expect(graphFlops(graphOf((g, x) => exp(g, x)))).toBe(100);
    expect(graphFlops(graphOf((g, x) => matMul(g, x, x)))).toBe(2000);
    expect(graphFlops(graphOf((g, x) => gemm(g, x, x, { transA: 1, transB: 0 })))).toBe(2000);
    const image = (g: GraphBuilder, x: Value) => reshape(g, x, [1, 4, 5, 5]);
    const weight = (g: GraphBuilder) => g.input('w', 'float32', [3, 4, 3, 3]);
    const convolved = graphOf((g, x) => conv(g, image(g, x), weight(g), { strides: [1, 1], pads: [1, 1, 1, 1] }));
    expect(graphFlops(convolved)).toBe(2 * 75 * 36);
  });
});
