//! Resizes images of bytes: bilinear with antialiasing, as Pillow does.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x3};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

/// Brings the part (top, left, height, width) of an image [height, width, channels] to a size. `channels`: 1 or 3. The part lies inside.
pub fn resized(
    data: &[u8],
    (height, width, channels): (usize, usize, usize),
    (top, left, part_height, part_width): (f64, f64, f64, f64),
    (new_height, new_width): (usize, usize),
) -> Vec<u8> {
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        .crop(left, top, part_width, part_height)
        .use_alpha(false);
    let mut target = vec![0; new_height * new_width * channels];
    // Typed, so that no kernels for other types of pixels are compiled.
    match channels {
        1 => resample::<U8>(data, (height, width), &mut target, (new_height, new_width), &options),
        _ => resample::<U8x3>(data, (height, width), &mut target, (new_height, new_width), &options),
    }
    target
}

fn resample<P: PixelTrait>(
    data: &[u8],
    (height, width): (usize, usize),
    target: &mut [u8],
    (new_height, new_width): (usize, usize),
    options: &ResizeOptions,
) {
    let source = TypedImageRef::<P>::from_buffer(width as u32, height as u32, data);
    let target = TypedImage::<P>::from_buffer(new_width as u32, new_height as u32, target);
    // The sizes agree with the buffers by construction.
    if let (Ok(source), Ok(mut target)) = (source, target) {
        let _ = Resizer::new().resize_typed(&source, &mut target, options);
    }
}
