// A graph as text, one node per line, for inline snapshots and bug reports: values are numbered in order of definition.

import { showType, type Attributes, type Graph, type Value } from './graph.ts';

export function printGraph(graph: Graph): string {
  const labels = new Map<Value, string>();
  for (const input of graph.inputs) labels.set(input, input.name);
  for (const { value, data } of graph.constants) labels.set(value, showConstant(value, data));
  const lines = graph.inputs.map((input) => `input ${input.name}: ${showType(input)}`);
  let count = 0;
  for (const { op, inputs, outputs, attributes } of graph.nodes) {
    const operands = inputs.map((input) => labels.get(input) ?? `?${input.name}`);
    for (const output of outputs) labels.set(output, `%${count++}`);
    const results = outputs.map((output) => `${labels.get(output)}: ${showType(output)}`).join(', ');
    lines.push(`${results} = ${op.type}(${operands.join(', ')})${showAttributes(attributes)}`);
  }
  for (const { name, value } of graph.outputs) lines.push(`output ${name} = ${labels.get(value) ?? `?${value.name}`}`);
  return lines.join('\n');
}

function showAttributes(attributes: Attributes): string {
  const shown = Object.entries(attributes).filter(([, value]) => value !== undefined);
  return shown.length === 0 ? '' : ` {${shown.map(([name, value]) => `${name}: ${JSON.stringify(value)}`).join(', ')}}`;
}

function showConstant(value: Value, data: readonly number[]): string {
  const numbers = data.length > 6 ? `${data.slice(0, 6).join(' ')} ...` : data.join(' ');
  return value.shape.length === 0 ? numbers : `[${numbers}]`;
}
