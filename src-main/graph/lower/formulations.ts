// Which formulation of an operator a graph for CUDA gets.
//
// cudaFormulations.json says it, with the card and the date of the measurement: per operator a list of rules, of which the first that
// fits the shape counts. A formulation of custom operators is passed over where they are not allowed, so a rule without conditions and
// without them comes last. Every formulation can do every shape.

import measured from './cudaFormulations.json' with { type: 'json' };

/** By operator, all formulations. `cudnn` is a custom operator (ops/cudnn.ts), the others are standard operators. */
const formulations = {
  ConvWeightGradient: ['shifted', 'patches', 'convolution3d', 'cudnn'],
  ConvInputGradient: ['convolution', 'transposed', 'cudnn'],
  BatchNormalization: ['spelledOut', 'cudnn'],
  BatchNormalizationGradient: ['spelledOut', 'cudnn'],
} as const;

export type FormulatedOperator = keyof typeof formulations;
export type Formulation<O extends FormulatedOperator = FormulatedOperator> = (typeof formulations)[O][number];

export interface LoweringOptions {
  /** The session knows the operators of the domain sdp.cudnn. Default: false. */
  customOperators?: boolean;
  /** Formulations to take on CUDA whatever the rules say. */
  formulations?: { readonly [O in FormulatedOperator]?: Formulation<O> };
}

/** What rules tell shapes apart by. */
export interface ShapeClass {
  /** Channels of the image. */
  channels: number;
  /** Pixels per image of the convolution's result, or of the image that is normalised. */
  pixels: number;
  /** Of a convolution: the larger stride, and the number of kernel positions. */
  stride?: number;
  taps?: number;
}

interface Rule {
  use: Formulation;
  stride?: number;
  taps?: number;
  maxChannels?: number;
  maxPixels?: number;
}

const isCustom = (formulation: Formulation) => formulation === 'cudnn';

export function formulationsOf(operator: FormulatedOperator, { customOps }: { customOps: boolean }): Formulation[] {
  return formulations[operator].filter((formulation: Formulation) => customOps || !isCustom(formulation));
}

export function chooseFormulation<O extends FormulatedOperator>(
  operator: O,
  shape: ShapeClass,
  { customOperators = false, formulations: forced = {} }: LoweringOptions,
): Formulation<O> {
  const rules: readonly Rule[] = (measured.rules as Record<FormulatedOperator, Rule[]>)[operator];
  const chosen = forced[operator] ?? rules.find((rule) => fits(rule, shape, customOperators))?.use;
  if (!chosen) throw new Error(`no rule for ${operator} of ${JSON.stringify(shape)}`);
  return chosen;
}

const fits = ({ use, stride, taps, maxChannels, maxPixels }: Rule, shape: ShapeClass, customOperators: boolean) =>
  (customOperators || !isCustom(use)) &&
  (stride === undefined || stride === shape.stride) &&
  (taps === undefined || taps === shape.taps) &&
  shape.channels <= (maxChannels ?? Infinity) &&
  shape.pixels <= (maxPixels ?? Infinity);
