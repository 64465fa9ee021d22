// What is done to images before they go into a model, as Hugging Face's image processors read it from preprocessor_config.json.

import type { ImageNotes } from '../contract/exportMessages.ts';

const bilinear = 2;

/** Undefined where the resizing is not known, or none of theirs. */
export function imageProcessor({ size, mean, std, shorterSide }: ImageNotes): object | undefined {
  if (shorterSide === undefined) return undefined;
  const [height, width] = size;
  const shared = {
    do_resize: true,
    resample: bilinear,
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: mean,
    image_std: std,
    do_convert_rgb: mean.length === 3,
  };
  if (shorterSide === null) return { image_processor_type: 'ViTImageProcessor', size: { height, width }, ...shared };
  return {
    image_processor_type: 'BitImageProcessor',
    size: { shortest_edge: shorterSide },
    do_center_crop: true,
    crop_size: { height, width },
    ...shared,
  };
}
