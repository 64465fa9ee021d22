import { describe, expect, it } from 'vitest';
import { onnxRuntime } from '../runtime/onnxRuntime.ts';
import { runOnnx } from '../testing/runOnnx.ts';
import { GraphBuilder, type Graph } from './graph.ts';
import { decodeOnnx, packNumbers, toOnnx } from './onnx.ts';
import { conv } from './ops/conv.ts';
import { add, exp, reluGradient } from './ops/elementwise.ts';
import { gemm } from './ops/linalg.ts';
import { maxPool } from './ops/pool.ts';
import { reduceSum } from './ops/broadcast.ts';
import { reduceMean } from './ops/reduction.ts';

const { InferenceSession, Tensor } = await onnxRuntime();

function linear(): Graph {
  const g = new GraphBuilder('linear');
  const [x, w] = [g.input('x', 'float32', [1, 2]), g.input('w', 'float32', [3, 2])];
  g.output('y', gemm(g, x, w, { transA: 0, transB: 1 }));
  return g.build();
}

describe('toOnnx', () => {
  it('writes nodes, types, attributes and attribute inputs', () => {
    const g = new GraphBuilder('sums');
    g.scope = 'head';
    g.output('total', reduceSum(g, g.input('x', 'float32', [2, 3]), [1], false));
    expect(decodeOnnx(toOnnx(g.build()))).toMatchInlineSnapshot(`
      {
        "graph": {
          "initializer": [
            {
              "data_type": 7,
              "dims": [
                1,
              ],
              "external_data": [],
              "name": "head:ReduceSum#0.axes",
              "raw_data": {
                "data": [
                  1,
                  0,
                  0,
                  0,
                  0,
                  0,
                  0,
                  0,
                ],
                "type": "Buffer",
              },
            },
          ],
          "input": [
            {
              "name": "x",
              "type": {
                "tensor_type": {
                  "elem_type": 1,
                  "shape": {
                    "dim": [
                      {
                        "dim_value": 2,
                      },
                      {
                        "dim_value": 3,
                      },
                    ],
                  },
                },
              },
            },
          ],
          "name": "sums",
          "node": [
            {
              "attribute": [
                {
                  "floats": [],
                  "i": 0,
                  "ints": [],
                  "name": "keepdims",
                  "type": 2,
                },
              ],
              "input": [
                "x",
                "head:ReduceSum#0.axes",
              ],
              "name": "head:ReduceSum#0",
              "op_type": "ReduceSum",
              "output": [
                "total",
              ],
            },
          ],
          "output": [
            {
              "name": "total",
              "type": {
                "tensor_type": {
                  "elem_type": 1,
                  "shape": {
                    "dim": [
                      {
                        "dim_value": 2,
                      },
                    ],
                  },
                },
              },
            },
          ],
          "value_info": [],
        },
        "ir_version": 10,
        "metadata_props": [],
        "opset_import": [
          {
            "domain": "",
            "version": 18,
          },
        ],
        "producer_name": "sdp-lab",
      }
    `);
  });

  it('writes what is default too, and lists unpacked, as proto2 has them', () => {
    const g = new GraphBuilder('test');
    const [x, w] = [g.input('x', 'float32', [1, 1, 3, 3]), g.input('w', 'float32', [1, 1, 2, 2])];
    g.output('y', conv(g, x, w, { strides: [1, 1], pads: [0, 0, 0, 0] }));
    const bytes = Buffer.from(toOnnx(g.build()));
    const { graph } = decodeOnnx(bytes) as { graph: { node: { attribute: object[] }[] } };
    expect(graph.node[0]!.attribute).toMatchObject([
      { name: 'kernel_shape', ints: [2, 2] },
      { name: 'dilations', ints: [1, 1] },
      { name: 'group', i: 1 },
      { name: 'strides', ints: [1, 1] },
      { name: 'pads', ints: [0, 0, 0, 0] },
    ]);
    // Each number of field 8 has a tag of its own.
    expect(bytes.includes(Buffer.from([0x40, 2, 0x40, 2, 0xa0, 1, 7]))).toBe(true);
  });

  it('has axes as attributes at opset 17, and notes', () => {
    const g = new GraphBuilder('test');
    g.output('y', reduceMean(g, g.input('x', 'float32', [2, 3]), [1], false));
    const notes = { producerVersion: '1', modelVersion: 5, docString: 'a model', properties: { mean: '[0.5]' } };
    expect(decodeOnnx(toOnnx(g.build(), { opset: 17, notes }))).toMatchObject({
      ir_version: 8,
      opset_import: [{ domain: '', version: 17 }],
      producer_version: '1',
      model_version: 5,
      doc_string: 'a model',
      metadata_props: [{ key: 'mean', value: '[0.5]' }],
      graph: {
        node: [
          {
            input: ['x'],
            attribute: [
              { name: 'axes', ints: [1] },
              { name: 'keepdims', i: 0 },
            ],
          },
        ],
        initializer: [],
      },
    });
  });

  it('gives an input or a value with two names outputs of their own', async () => {
    const g = new GraphBuilder('test');
    const x = g.input('x', 'float32', [2]);
    const y = exp(g, x);
    for (const [name, value] of [
      ['a', x],
      ['b', y],
      ['c', y],
    ] as const)
      g.output(name, value);
    const results = await runOnnx(g.build(), new Map([['x', { shape: [2], data: [0, 0] }]]));
    expect([...results].map(([name, { data }]) => [name, data])).toEqual([
      ['a', [0, 0]],
      ['b', [1, 1]],
      ['c', [1, 1]],
    ]);
  });

  it('leaves out optional outputs that nothing reads', () => {
    const g = new GraphBuilder('test');
    const x = g.input('x', 'float32', [1, 1, 2, 2]);
    g.output('y', maxPool(g, x, { kernel_shape: [2, 2], strides: [1, 1], pads: [0, 0, 0, 0] }));
    const { graph } = decodeOnnx(toOnnx(g.build())) as { graph: { node: { output: string[] }[] } };
    expect(graph.node[0]!.output).toEqual(['y']);
  });

  it('embeds weights and takes any batch where asked', async () => {
    const bytes = toOnnx(linear(), {
      dynamicAxes: { x: { 0: 'batch' }, y: { 0: 'batch' } },
      initializers: new Map([['w', packNumbers('float32', [1, 0, 0, 1, 1, 1])]]),
    });
    const session = await InferenceSession.create(bytes);
    expect(session.inputNames).toEqual(['x']);
    const { y } = await session.run({ x: new Tensor('float32', [1, 2, 3, 4], [2, 2]) });
    expect([y!.dims, [...(y!.data as Float32Array)]]).toEqual([
      [2, 3],
      [1, 2, 3, 3, 4, 7],
    ]);
    await session.release();
  });

  it('refuses initializers of the wrong size and composite operators', () => {
    const initializers = new Map([['w', new Uint8Array(8)]]);
    expect(() => toOnnx(linear(), { initializers })).toThrow('initializer w has 8 bytes, its shape needs 24');
    const g = new GraphBuilder('test');
    const x = g.input('x', 'float32', [2]);
    g.output('y', add(g, x, reluGradient(g, x, x)));
    expect(() => toOnnx(g.build())).toThrow('ReluGradient ReluGradient_0 must be lowered before it is written');
  });
});

describe('packNumbers', () => {
  it('writes little-endian scalars of each type', () => {
    expect([...packNumbers('float32', [1])]).toEqual([0, 0, 128, 63]);
    expect([...packNumbers('int32', [-2])]).toEqual([254, 255, 255, 255]);
    expect([...packNumbers('int64', [3])]).toEqual([3, 0, 0, 0, 0, 0, 0, 0]);
    expect([...packNumbers('bool', [1, 0])]).toEqual([1, 0]);
  });
});
