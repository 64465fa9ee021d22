//! RandAugment (Cubuk et al. 2019, arXiv 1909.13719) with the operations and ranges of torchvision's: each of a number of operations is drawn
//! from fourteen, all with the same magnitude, of 31 levels, and where there are two directions with a random one.

use rand_core::RngCore;

use super::colour::{self, blend, look_up};
use super::{below, geometry};
use crate::pixels::Pixels;

const LEVELS: f64 = 30.0;

#[derive(Debug, Clone, Copy)]
enum Operation {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
}

use Operation::{
    AutoContrast, Brightness, Color, Contrast, Equalize, Identity, Posterize, Rotate, Sharpness, ShearX, ShearY, Solarize, TranslateX,
    TranslateY,
};

const OPERATIONS: [Operation; 14] = [
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
];

pub fn apply(mut image: Pixels, operations: usize, magnitude: usize, random: &mut impl RngCore) -> Pixels {
    for _ in 0..operations {
        let operation = OPERATIONS[below(random, OPERATIONS.len())];
        let sign = if below(random, 2) == 0 { 1.0 } else { -1.0 };
        image = change(image, operation, (magnitude as f64).min(LEVELS) / LEVELS, sign);
    }
    image
}

/// `level`: 0 to 1.
fn change(mut image: Pixels, operation: Operation, level: f64, sign: f64) -> Pixels {
    let shift = |extent: usize| (sign * level * 150.0 / 331.0 * extent as f64) as isize;
    match operation {
        Identity => {}
        ShearX => return geometry::affine(&image, [1.0, sign * level * 0.3, 0.0, 0.0, 1.0, 0.0]),
        ShearY => return geometry::affine(&image, [1.0, 0.0, 0.0, sign * level * 0.3, 1.0, 0.0]),
        TranslateX => return geometry::moved(&image, 0, shift(image.width)),
        TranslateY => return geometry::moved(&image, shift(image.height), 0),
        Rotate => return rotated(&image, sign * level * 30.0),
        Brightness => colour::brightness(&mut image, 1.0 + sign * level * 0.9),
        Color => colour::saturation(&mut image, 1.0 + sign * level * 0.9),
        Contrast => colour::contrast(&mut image, 1.0 + sign * level * 0.9),
        Sharpness => return sharpened(&image, 1.0 + sign * level * 0.9),
        Posterize => {
            let bits = 8 - (level * 4.0).round_ties_even() as u32;
            look_up(&mut image, &std::array::from_fn(|x| x as u8 & !(0xff_u32 >> bits) as u8));
        }
        Solarize => {
            let threshold = 255.0 * (1.0 - level);
            look_up(&mut image, &std::array::from_fn(|x| if x as f64 >= threshold { 255 - x as u8 } else { x as u8 }));
        }
        AutoContrast => per_channel(&mut image, stretched),
        Equalize => per_channel(&mut image, equalized),
    }
    image
}

/// About the centre.
fn rotated(image: &Pixels, degrees: f64) -> Pixels {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (x, y) = (image.width as f64 / 2.0, image.height as f64 / 2.0);
    geometry::affine(image, [cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y])
}

/// Away from (factor above 1) or towards a smoothed image; the border stays.
fn sharpened(image: &Pixels, factor: f64) -> Pixels {
    let Pixels { height, width, channels, ref data } = *image;
    let mut result = data.clone();
    for y in 1..height.saturating_sub(1) {
        for at in (y * width + 1) * channels..((y + 1) * width).saturating_sub(1) * channels {
            let row = |start: usize| [start - channels, start, start + channels].map(|i| u32::from(data[i])).iter().sum::<u32>();
            let sum = row(at - width * channels) + row(at) + row(at + width * channels) + 4 * u32::from(data[at]);
            result[at] = blend(data[at], f64::from(sum) / 13.0, factor);
        }
    }
    Pixels { data: result, ..*image }
}

/// Applies to each channel the table that its histogram gives.
fn per_channel(image: &mut Pixels, table_of: fn(&[u32; 256]) -> [u8; 256]) {
    for channel in 0..image.channels {
        let mut counts = [0; 256];
        image.data.iter().skip(channel).step_by(image.channels).for_each(|&x| counts[usize::from(x)] += 1);
        let table = table_of(&counts);
        image.data.iter_mut().skip(channel).step_by(image.channels).for_each(|x| *x = table[usize::from(*x)]);
    }
}

/// The darkest becomes 0, the brightest 255.
fn stretched(counts: &[u32; 256]) -> [u8; 256] {
    let least = counts.iter().position(|&count| count > 0).unwrap_or(0);
    let most = counts.iter().rposition(|&count| count > 0).unwrap_or(0);
    if least >= most {
        return identity();
    }
    let scale = 255.0 / (most - least) as f64;
    std::array::from_fn(|x| ((x as f64 - least as f64) * scale).round().clamp(0.0, 255.0) as u8)
}

/// All values become equally frequent, as far as can be.
fn equalized(counts: &[u32; 256]) -> [u8; 256] {
    let last = counts.iter().rev().find(|&&count| count > 0).copied().unwrap_or(0);
    let step = (counts.iter().sum::<u32>() - last) / 255;
    if step == 0 {
        return identity();
    }
    let mut sum = step / 2;
    counts.map(|count| {
        let value = (sum / step).min(255) as u8;
        sum += count;
        value
    })
}

fn identity() -> [u8; 256] {
    std::array::from_fn(|x| x as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    fn ramp() -> Pixels {
        Pixels { height: 16, width: 20, channels: 3, data: (0..960).map(|x| (x % 256) as u8).collect() }
    }

    #[test]
    fn at_level_0_only_the_histogram_changes_and_solarize_reach_an_image() {
        for operation in OPERATIONS {
            let changed = change(ramp(), operation, 0.0, 1.0);
            let expected = match operation {
                AutoContrast | Equalize => continue,
                Solarize => ramp().data.iter().map(|&x| if x == 255 { 0 } else { x }).collect(),
                _ => ramp().data,
            };
            assert_eq!(changed.data, expected, "{operation:?}");
        }
    }

    #[test]
    fn every_operation_changes_an_image_in_both_directions() {
        let narrow = Pixels { data: ramp().data.iter().map(|&x| 50 + x / 2).collect(), ..ramp() };
        for operation in OPERATIONS.into_iter().skip(1) {
            for sign in [1.0, -1.0] {
                let changed = change(narrow.clone(), operation, 0.8, sign);
                assert_eq!(changed.data.len(), narrow.data.len());
                assert_ne!(changed, narrow, "{operation:?} {sign}");
            }
        }
    }

    #[test]
    fn operations_by_hand() {
        let row = |data: &[u8]| Pixels { height: 1, width: data.len(), channels: 1, data: data.to_vec() };
        assert_eq!(change(row(&[10, 20, 60]), AutoContrast, 0.0, 1.0).data, [0, 51, 255]);
        assert_eq!(change(row(&[7, 7]), AutoContrast, 0.0, 1.0).data, [7, 7]);
        // Level 1: 4 bits are kept.
        assert_eq!(change(row(&[0x5f, 0xf0]), Posterize, 1.0, 1.0).data, [0x50, 0xf0]);
        assert_eq!(change(row(&[100, 200]), Solarize, 0.5, 1.0).data, [100, 55]);
        assert_eq!(change(row(&[1, 2, 3, 4]), TranslateX, 0.6, 1.0).data, [2, 3, 4, 0]);
        let spot = Pixels { height: 3, width: 3, channels: 1, data: vec![0, 0, 0, 0, 130, 0, 0, 0, 0] };
        // Smoothed: 5 x 130 / 13 = 50; half way to it: 90.
        assert_eq!(sharpened(&spot, 0.5).data[4], 90);
        let square = Pixels { height: 2, width: 2, channels: 1, data: vec![1, 2, 3, 4] };
        assert_eq!(rotated(&square, 90.0).data.len(), 4);
        assert_eq!(rotated(&square, 180.0).data, [4, 3, 2, 1]);
        let mut counts = [0; 256];
        counts[10] = 510;
        counts[20] = 510;
        assert_eq!(equalized(&counts)[..11], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(equalized(&counts)[20], 255);
    }

    #[test]
    fn none_or_several_operations_are_applied() {
        let random = &mut ChaCha8Rng::seed_from_u64(2);
        assert_eq!(apply(ramp(), 0, 9, random), ramp());
        let changed = (0..50).filter(|_| apply(ramp(), 2, 15, random) != ramp()).count();
        assert!(changed > 45, "{changed} of 50");
    }
}
