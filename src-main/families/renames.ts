// From torchvision's names of tensors to those of another library.

import { UserError } from '../contract/errors.ts';

/** What is replaced, each in the result of those before it. */
export type Renames = readonly (readonly [RegExp, string | ((...found: string[]) => string)])[];

/** A name with `{a,b,c}` in it is that of three tensors. */
export const renamer =
  (renames: Renames) =>
  (tensor: string): string[] => {
    const name = renames.reduce((text, [found, there]) => text.replace(found, there as string), tensor);
    const several = /\{(.*)\}/.exec(name);
    return several ? several[1]!.split(',').map((part) => name.replace(several[0], part)) : [name];
  };

/** The sentence of a network that a library does not have. */
export const hasNoSuch = (library: string, problem: string): UserError =>
  new UserError('usage', `${library} has no such network: ${problem}; export safetensors`);

/** `ratio` of hidden units to channels from which Python's int(channels * ratio) gives `hidden`. */
export const ratioOf = (hidden: number, channels: number): number => {
  const ratio = hidden / channels;
  return Math.trunc(channels * ratio) === hidden ? ratio : (hidden + 0.5) / channels;
};
