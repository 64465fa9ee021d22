//! Crops, flips and affine maps of images. What lies outside an image is black.

use rand_core::RngCore;

use super::{below, between};
use crate::pixels::Pixels;

/// Range of the aspect ratio of a random resized crop.
const RATIO: (f64, f64) = (3.0 / 4.0, 4.0 / 3.0);

/// A part of random area (a share of `least` to 1) and shape, brought to a size: torchvision's RandomResizedCrop.
pub fn resized_crop(image: &Pixels, least: f64, (height, width): (usize, usize), random: &mut impl RngCore) -> Pixels {
    let (full_height, full_width) = (image.height as f64, image.width as f64);
    for _ in 0..10 {
        let area = full_height * full_width * between(random, least, 1.0);
        let ratio = between(random, RATIO.0.ln(), RATIO.1.ln()).exp();
        let (h, w) = ((area / ratio).sqrt().round() as usize, (area * ratio).sqrt().round() as usize);
        if (1..=image.height).contains(&h) && (1..=image.width).contains(&w) {
            let (top, left) = (below(random, image.height - h + 1), below(random, image.width - w + 1));
            return image.scaled((top as f64, left as f64, h as f64, w as f64), height, width);
        }
    }
    let (h, w) = match full_width / full_height {
        ratio if ratio < RATIO.0 => ((full_width / RATIO.0).round(), full_width),
        ratio if ratio > RATIO.1 => (full_height, (full_height * RATIO.1).round()),
        _ => (full_height, full_width),
    };
    image.scaled(((full_height - h) / 2.0, (full_width - w) / 2.0, h, w), height, width)
}

/// The image moved by up to `padding` pixels each way: a random crop of its own size after padding.
pub fn padded_crop(image: &Pixels, padding: usize, random: &mut impl RngCore) -> Pixels {
    let (down, right) = (below(random, 2 * padding + 1), below(random, 2 * padding + 1));
    moved(image, down as isize - padding as isize, right as isize - padding as isize)
}

/// Pixel (y, x) becomes that at (y + down, x + right).
pub fn moved(image: &Pixels, down: isize, right: isize) -> Pixels {
    mapped(image, |y, x| (y as isize + down, x as isize + right))
}

pub fn flipped(image: &Pixels) -> Pixels {
    let last = image.width as isize - 1;
    mapped(image, |y, x| (y as isize, last - x as isize))
}

/// Pixel centres (x, y) become those at (a x + b y + c, d x + e y + f) of the image, the nearest pixel there.
pub fn affine(image: &Pixels, [a, b, c, d, e, f]: [f64; 6]) -> Pixels {
    mapped(image, |y, x| {
        let (x, y) = (x as f64 + 0.5, y as f64 + 0.5);
        ((d * x + e * y + f).floor() as isize, (a * x + b * y + c).floor() as isize)
    })
}

/// An image of the same size whose pixels (y, x) come from `source`.
fn mapped(image: &Pixels, source: impl Fn(usize, usize) -> (isize, isize)) -> Pixels {
    let Pixels { height, width, channels, ref data } = *image;
    let mut result = vec![0; data.len()];
    for (at, target) in result.chunks_exact_mut(channels).enumerate() {
        let (y, x) = source(at / width, at % width);
        if (0..height as isize).contains(&y) && (0..width as isize).contains(&x) {
            target.copy_from_slice(&data[(y as usize * width + x as usize) * channels..][..channels]);
        }
    }
    Pixels { data: result, ..*image }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    fn image() -> Pixels {
        Pixels { height: 2, width: 3, channels: 1, data: vec![1, 2, 3, 4, 5, 6] }
    }

    #[test]
    fn flips_and_moves_pixels() {
        assert_eq!(flipped(&image()).data, [3, 2, 1, 6, 5, 4]);
        assert_eq!(moved(&image(), 1, 0).data, [4, 5, 6, 0, 0, 0]);
        assert_eq!(moved(&image(), 0, -1).data, [0, 1, 2, 0, 4, 5]);
    }

    #[test]
    fn affine_maps_read_where_they_point() {
        assert_eq!(affine(&image(), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]), image());
        assert_eq!(affine(&image(), [1.0, 0.0, 1.0, 0.0, 1.0, 0.0]).data, [2, 3, 0, 5, 6, 0]);
        assert_eq!(affine(&image(), [-1.0, 0.0, 3.0, 0.0, -1.0, 2.0]).data, [6, 5, 4, 3, 2, 1]);
    }

    #[test]
    fn padded_crops_reach_every_offset() {
        let random = &mut ChaCha8Rng::seed_from_u64(5);
        let mut seen: Vec<_> = (0..500).map(|_| padded_crop(&image(), 1, random).data).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 9);
    }

    #[test]
    fn resized_crops_of_flat_images_are_flat() {
        let random = &mut ChaCha8Rng::seed_from_u64(6);
        for (height, width) in [(30, 40), (3, 400), (400, 3), (1, 1)] {
            let flat = Pixels { height, width, channels: 3, data: vec![77; height * width * 3] };
            assert_eq!(resized_crop(&flat, 0.08, (5, 7), random).data, vec![77; 105]);
        }
    }
}
