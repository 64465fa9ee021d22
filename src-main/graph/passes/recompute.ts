// Computes the inside of each block a second time when its gradients are due, so that between the two only what enters blocks is kept.
//
// Works on any finished training graph: what the loss depends on is the forward pass, what else gradients depend on the backward pass, and
// scopes tell which block a node belongs to. What the backward pass of a block reads of its inside comes from copies of its forward nodes,
// the same operators on the same values, so gradients stay equal bit for bit. The copies read what enters the block through `after`: they
// wait until the gradients of the blocks behind are done, and can be merged with the originals neither here nor by the runtime. What leaves
// a block is kept, as it enters the next one. (Chen, Xu, Zhang, Guestrin, 2016, "Training Deep Nets with Sublinear Memory Cost".)

import { GraphBuilder, type Graph, type Node, type Value } from '../graph.ts';
import { after, moment } from '../ops/ordering.ts';
import { removeCommonSubexpressions } from './commonSubexpression.ts';
import { removeDeadCode } from './deadCode.ts';
import { placeEarly } from './early.ts';

/** `blocks`: scopes; a node belongs to the block that its scope is or lies in. Gradients are the outputs that `isGradient` names. */
export function recomputeBlocks(
  graph: Graph,
  loss: Value,
  isGradient: (output: string) => boolean,
  blocks: readonly string[],
): Graph {
  const forward = nodesBehind(graph, [loss]);
  const gradients = graph.outputs.filter(({ name }) => isGradient(name)).map(({ value }) => value);
  const needed = nodesBehind(graph, gradients);
  const isForward = (node: Node) => forward.has(node);
  const isBackward = (node: Node) => needed.has(node) && !forward.has(node);
  const phases = [isForward, isBackward, (node: Node) => !isForward(node) && !isBackward(node)];
  const inPhases = { ...graph, nodes: phases.flatMap((phase) => graph.nodes.filter(phase)) };
  const ordered = placeEarly(inPhases, forward.size);
  const recomputed = new Recomputation(ordered, { isForward, isBackward, loss, blockOf: blockOf(blocks) }).run();
  return removeDeadCode(removeCommonSubexpressions(recomputed));
}

/** Nodes that values are computed by, from the first on. */
function nodesBehind(graph: Graph, values: readonly Value[]): Set<Node> {
  const wanted = new Set(values);
  const found = new Set<Node>();
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((output) => wanted.has(output))) continue;
    found.add(node);
    for (const input of node.inputs) wanted.add(input);
  }
  return found;
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

interface Parts {
  isForward(node: Node): boolean;
  isBackward(node: Node): boolean;
  loss: Value;
  blockOf: BlockOf;
}

class Recomputation {
  private readonly forward: readonly Node[];
  private readonly backward: readonly Node[];
  private readonly g: GraphBuilder;
  /** Forward nodes by what they compute. */
  private readonly forwardNode = new Map<Value, Node>();
  /** What enters or leaves a block, or never was in one. */
  private readonly kept = new Set<Value>();
  private readonly constants: ReadonlySet<Value>;
  /** The loss and gradients of parameters since the last block: what the copies of the next one wait for. */
  private events: Value[];

  constructor(
    private readonly graph: Graph,
    private readonly parts: Parts,
  ) {
    this.forward = graph.nodes.filter((node) => parts.isForward(node));
    this.backward = graph.nodes.filter((node) => parts.isBackward(node));
    this.g = new GraphBuilder(graph.name, { ...graph, outputs: [], nodes: this.forward });
    this.constants = new Set(graph.constants.map(({ value }) => value));
    this.events = [parts.loss];
    for (const node of this.forward) {
      node.outputs.forEach((output) => this.forwardNode.set(output, node));
      // Statistics of a normalisation: small beside what they were taken of.
      node.outputs.slice(1).forEach((output) => this.kept.add(output));
    }
    for (const reader of this.forward) {
      for (const input of reader.inputs) {
        const producer = this.forwardNode.get(input);
        if (producer && parts.blockOf(producer) !== parts.blockOf(reader)) this.kept.add(input);
      }
    }
  }

  run(): Graph {
    const outputs = new Set(this.graph.outputs.map(({ value }) => value));
    const copies = new Map<string, ReadonlyMap<Value, Value>>();
    for (const node of this.graph.nodes.slice(this.forward.length)) {
      const block = this.parts.isBackward(node) ? this.parts.blockOf(node) : null;
      if (block !== null && !copies.has(block) && this.readsInside(node, block))
        copies.set(block, this.copyInside(block));
      const copyOf = block === null ? undefined : copies.get(block);
      this.g.keep(copyOf ? { ...node, inputs: node.inputs.map((input) => copyOf.get(input) ?? input) } : node);
      this.events.push(...node.outputs.filter((output) => outputs.has(output)));
    }
    for (const { name, value } of this.graph.outputs) this.g.output(name, value);
    return this.g.build();
  }

  private readsInside({ inputs }: Node, block: string): boolean {
    return inputs.some((input) => this.insideNode(input, block) !== undefined);
  }

  /** The forward node of the block that computes a value, where it is not kept. */
  private insideNode(value: Value, block: string): Node | undefined {
    const node = this.kept.has(value) ? undefined : this.forwardNode.get(value);
    return node && this.parts.blockOf(node) === block ? node : undefined;
  }

  /** Adds copies of all that the backward pass of a block reads of its inside; original to copy. */
  private copyInside(block: string): ReadonlyMap<Value, Value> {
    const { g } = this;
    const readers = this.backward.filter((node) => this.parts.blockOf(node) === block);
    const inside = this.insideNodes(readers, block);
    const copies = new Map<Value, Value>();
    if (inside.size === 0) return copies;
    const start = moment(g, this.takeEvents(readers));
    const entering = new Map<Value, Value>();
    const enter = (value: Value): Value => {
      if (!entering.has(value)) entering.set(value, this.constants.has(value) ? value : after(g, value, start));
      return entering.get(value)!;
    };
    for (const node of this.forward.filter((candidate) => inside.has(candidate))) {
      g.scope = node.scope;
      const inputs = node.inputs.map((input) => copies.get(input) ?? enter(input));
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
      const node = this.insideNode(value, block);
      if (!node || inside.has(node)) return;
      inside.add(node);
      node.inputs.forEach(visit);
    };
    readers.forEach((reader) => reader.inputs.forEach(visit));
    return inside;
  }

  /** The events since the last block, and the gradients that enter this one. */
  private takeEvents(readers: readonly Node[]): Value[] {
    const gradients = readers
      .flatMap((reader) => reader.inputs)
      .filter((input) => !this.forwardNode.has(input) && this.g.producer(input));
    const events = new Set([...this.events, ...gradients]);
    this.events = [];
    return [...events];
  }
}
