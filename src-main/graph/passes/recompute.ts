// Computes the inside of each block a second time when its gradients are due, so that between the two only what enters blocks is kept.
//
// Works on any finished training graph: the nodes up to the loss are the forward pass, scopes tell which block a node belongs to. What the
// backward pass of a block reads of its inside comes from copies of its forward nodes, the same operators on the same values, so gradients
// stay equal bit for bit. The copies read what enters the block through `after`: they wait until the gradients of the blocks behind are
// done, and can be merged with the originals neither here nor by the runtime. What leaves a block is kept, as it enters the next one.
// (Chen, Xu, Zhang, Guestrin, 2016, "Training Deep Nets with Sublinear Memory Cost".)

import { GraphBuilder, type Graph, type Node, type Value } from '../graph.ts';
import { after } from '../ops/ordering.ts';
import { removeCommonSubexpressions } from './commonSubexpression.ts';
import { removeDeadCode } from './deadCode.ts';
import { placeEarly } from './early.ts';

/** `blocks`: scopes; a node belongs to the block that its scope is or lies in. */
export function recomputeBlocks(graph: Graph, loss: Value, blocks: readonly string[]): Graph {
  const numForward = 1 + graph.nodes.findIndex((node) => node.outputs.includes(loss));
  if (numForward === 0) throw new Error(`no node computes the loss ${loss.name}`);
  const ordered = placeEarly(graph, numForward);
  const recomputed = new Recomputation(ordered, numForward, loss, blockOf(blocks)).run();
  return removeDeadCode(removeCommonSubexpressions(recomputed));
}

type BlockOf = (node: Node) => string | null;

function blockOf(blocks: readonly string[]): BlockOf {
  const known = new Map<string, string | null>();
  return ({ scope }) => {
    if (!known.has(scope))
      known.set(scope, blocks.find((block) => scope === block || scope.startsWith(`${block}.`)) ?? null);
    return known.get(scope)!;
  };
}

class Recomputation {
  private readonly forward: readonly Node[];
  private readonly backward: readonly Node[];
  private readonly g: GraphBuilder;
  /** Forward nodes by what they compute. */
  private readonly forwardNode = new Map<Value, Node>();
  /** What enters or leaves a block, or never was in one. */
  private readonly kept = new Set<Value>();
  /** Gradients, the loss first; later ones are computed later. */
  private readonly events: Value[];

  constructor(
    private readonly graph: Graph,
    numForward: number,
    loss: Value,
    private readonly blockOf: BlockOf,
  ) {
    this.forward = graph.nodes.slice(0, numForward);
    this.backward = graph.nodes.slice(numForward);
    this.g = new GraphBuilder(graph.name, { ...graph, outputs: [], nodes: this.forward });
    this.events = [loss];
    for (const node of this.forward) node.outputs.forEach((output) => this.forwardNode.set(output, node));
    for (const reader of this.forward) {
      for (const input of reader.inputs) {
        const producer = this.forwardNode.get(input);
        if (producer && blockOf(producer) !== blockOf(reader)) this.kept.add(input);
      }
    }
  }

  run(): Graph {
    const outputs = new Set(this.graph.outputs.map(({ value }) => value));
    const copies = new Map<string, Map<Value, Value>>();
    for (const node of this.backward) {
      const block = this.blockOf(node);
      if (block !== null && !copies.has(block)) copies.set(block, this.copyInside(block));
      const copy = block === null ? undefined : copies.get(block);
      const inputs = copy ? node.inputs.map((input) => copy.get(input) ?? input) : node.inputs;
      this.g.keep({ ...node, inputs });
      this.events.push(...node.outputs.filter((output) => outputs.has(output)));
    }
    for (const { name, value } of this.graph.outputs) this.g.output(name, value);
    return this.g.build();
  }

  /** Adds copies of all that the backward pass of a block reads of its inside; original to copy. */
  private copyInside(block: string): Map<Value, Value> {
    const { g } = this;
    const readers = this.backward.filter((node) => this.blockOf(node) === block);
    const inside = this.insideNodes(readers, block);
    if (inside.size === 0) return new Map();
    const waitFor = this.takeEvents(readers);
    const copies = new Map<Value, Value>();
    const entering = new Map<Value, Value>();
    const constants = new Set(this.graph.constants.map(({ value }) => value));
    const delayed = (value: Value): Value => {
      if (constants.has(value)) return value;
      const known = entering.get(value);
      if (known) return known;
      const result = after(g, value, waitFor);
      entering.set(value, result);
      return result;
    };
    for (const node of this.forward.filter((candidate) => inside.has(candidate))) {
      g.scope = node.scope;
      const inputs = node.inputs.map((input) => copies.get(input) ?? delayed(input));
      g.add(node.op, inputs, node.attributes).forEach((copy, i) => {
        if (!this.kept.has(node.outputs[i]!)) copies.set(node.outputs[i]!, copy);
      });
    }
    return copies;
  }

  /** Forward nodes of the block from which the readers' inputs are computed, back to what is kept. */
  private insideNodes(readers: readonly Node[], block: string): Set<Node> {
    const inside = new Set<Node>();
    const visit = (value: Value) => {
      const node = this.forwardNode.get(value);
      if (!node || this.kept.has(value) || this.blockOf(node) !== block || inside.has(node)) return;
      inside.add(node);
      node.inputs.forEach(visit);
    };
    readers.forEach((reader) => reader.inputs.forEach(visit));
    return inside;
  }

  /** What must be computed before the copies: the gradient that enters the block, and the gradients of parameters so far. */
  private takeEvents(readers: readonly Node[]): Value[] {
    const entering = readers
      .flatMap((reader) => reader.inputs)
      .filter((input) => !this.forwardNode.has(input) && this.g.producer(input));
    const events = [...new Set([...this.events, ...entering])];
    this.events.length = 0;
    return events;
  }
}
