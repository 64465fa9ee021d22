//! Random changes of training images, and the fixed ones of evaluation, before normalisation.
//!
//! In this order: crop (random resized crop, or random crop after padding), flip, colour jitter, RandAugment; parameters and ranges are those
//! of torchvision's transforms of the same names. Every choice is drawn from the generator that is handed in, which the caller keys by seed,
//! epoch and sample, so that a sample is changed alike wherever and in whatever order it is read.

mod colour;
mod geometry;
mod rand_augment;

use rand_core::RngCore;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::pixels::Pixels;

/// What is done to training images. 0 leaves a step out.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ImageChanges")]
pub struct Augmentation {
    /// Height and width of the result.
    pub height: usize,
    pub width: usize,
    /// Least share of the area that a random resized crop takes.
    pub resized_crop: f64,
    /// Black pixels on each side before a random crop.
    pub crop_padding: usize,
    /// Probability of a horizontal flip.
    pub flip: f64,
    /// Largest change of a factor from 1.
    pub brightness: f64,
    pub contrast: f64,
    pub saturation: f64,
    /// Largest turn of the colour circle, as a share of it; at most 0.5.
    pub hue: f64,
    /// Operations of RandAugment per image, and their magnitude, 0 to 30.
    pub rand_augment: usize,
    pub magnitude: usize,
    /// Shorter side in evaluation before the centre crop.
    pub evaluation_resize: usize,
}

impl Augmentation {
    /// Whether training images differ from those of evaluation.
    pub fn is_random(&self) -> bool {
        let factors = [self.resized_crop, self.flip, self.brightness, self.contrast, self.saturation, self.hue];
        self.crop_padding > 0 || self.rand_augment > 0 || factors.iter().any(|&factor| factor > 0.0)
    }

    pub fn train(&self, image: Pixels, random: &mut impl RngCore) -> Pixels {
        if !self.is_random() {
            return self.evaluate(image);
        }
        let image = if self.resized_crop > 0.0 {
            geometry::resized_crop(&image, self.resized_crop, (self.height, self.width), random)
        } else {
            let image = self.evaluate(image);
            if self.crop_padding > 0 { geometry::padded_crop(&image, self.crop_padding, random) } else { image }
        };
        let image = if unit(random) < self.flip { geometry::flipped(&image) } else { image };
        let image = self.jitter(image, random);
        rand_augment::apply(image, self.rand_augment, self.magnitude, random)
    }

    /// Shorter side to `evaluation_resize`, then cut at the centre.
    pub fn evaluate(&self, image: Pixels) -> Pixels {
        let (height, width) = (image.height as f64, image.width as f64);
        let scale = self.evaluation_resize as f64 / height.min(width);
        let (part_height, part_width) = ((self.height as f64 / scale).min(height), (self.width as f64 / scale).min(width));
        if (part_height, part_width) == (height, width) && (image.height, image.width) == (self.height, self.width) {
            return image;
        }
        let part = ((height - part_height) / 2.0, (width - part_width) / 2.0, part_height, part_width);
        image.scaled(part, self.height, self.width)
    }

    fn jitter(&self, mut image: Pixels, random: &mut impl RngCore) -> Pixels {
        let factor = |most: f64, random: &mut _| between(random, (1.0 - most).max(0.0), 1.0 + most);
        let mut order = [0, 1, 2, 3];
        shuffle(&mut order, random);
        for step in order {
            match step {
                0 if self.brightness > 0.0 => colour::brightness(&mut image, factor(self.brightness, random)),
                1 if self.contrast > 0.0 => colour::contrast(&mut image, factor(self.contrast, random)),
                2 if self.saturation > 0.0 => colour::saturation(&mut image, factor(self.saturation, random)),
                3 if self.hue > 0.0 => colour::hue(&mut image, between(random, -self.hue, self.hue)),
                _ => {}
            }
        }
        image
    }
}

/// Uniform in [0, 1), of 53 bits.
pub fn unit(random: &mut impl RngCore) -> f64 {
    (random.next_u64() >> 11) as f64 / 2f64.powi(53)
}

pub fn between(random: &mut impl RngCore, least: f64, most: f64) -> f64 {
    least + (most - least) * unit(random)
}

/// Uniform in [0, bound). The bias is below bound / 2^64.
pub fn below(random: &mut impl RngCore, bound: usize) -> usize {
    ((u128::from(random.next_u64()) * bound as u128) >> 64) as usize
}

fn shuffle(items: &mut [usize], random: &mut impl RngCore) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(random, last + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    pub const NONE: Augmentation = Augmentation {
        height: 8,
        width: 8,
        resized_crop: 0.0,
        crop_padding: 0,
        flip: 0.0,
        brightness: 0.0,
        contrast: 0.0,
        saturation: 0.0,
        hue: 0.0,
        rand_augment: 0,
        magnitude: 9,
        evaluation_resize: 8,
    };

    fn ramp(height: usize, width: usize) -> Pixels {
        Pixels { height, width, channels: 3, data: (0..height * width * 3).map(|x| (x * 7 % 251) as u8).collect() }
    }

    #[test]
    fn without_steps_an_image_of_the_size_stays_as_it_is() {
        let random = &mut ChaCha8Rng::seed_from_u64(1);
        assert_eq!(NONE.train(ramp(8, 8), random), ramp(8, 8));
        assert_eq!(NONE.evaluate(ramp(8, 8)), ramp(8, 8));
    }

    #[test]
    fn all_steps_together_keep_the_size_and_repeat_for_a_key() {
        let all = Augmentation {
            resized_crop: 0.08,
            flip: 0.5,
            brightness: 0.4,
            contrast: 0.4,
            saturation: 0.4,
            hue: 0.1,
            rand_augment: 2,
            ..NONE
        };
        let mut results = Vec::new();
        for seed in 0..200 {
            let change = || all.train(ramp(20, 13), &mut ChaCha8Rng::seed_from_u64(seed));
            assert_eq!((change().height, change().width, change().channels, change().data.len()), (8, 8, 3, 192));
            assert_eq!(change(), change());
            results.push(change().data);
        }
        results.sort();
        results.dedup();
        assert!(results.len() > 190, "{} of 200 differ", results.len());
    }

    #[test]
    fn evaluation_takes_the_centre_of_the_resized_image() {
        let mut image = Pixels { height: 16, width: 32, channels: 1, data: vec![0; 512] };
        for row in image.data.chunks_exact_mut(32) {
            row[8..24].fill(200);
        }
        let evaluation = Augmentation { evaluation_resize: 8, ..NONE };
        let middle = evaluation.evaluate(image);
        assert_eq!((middle.height, middle.width), (8, 8));
        assert!(middle.data.chunks_exact(8).all(|row| row[1..7].iter().all(|&x| x == 200)), "{:?}", middle.data);
    }

    #[test]
    fn draws_are_uniform() {
        let random = &mut ChaCha8Rng::seed_from_u64(3);
        let mut counts = [0; 5];
        for _ in 0..10_000 {
            counts[below(random, 5)] += 1;
        }
        assert!(counts.iter().all(|count| (1800..2200).contains(count)), "{counts:?}");
        let mean = (0..10_000).map(|_| between(random, -1.0, 3.0)).sum::<f64>() / 1e4;
        assert!((mean - 1.0).abs() < 0.06, "{mean}");
    }
}
