//! Random factors of Dropout and stochastic depth: 0 with a given probability, else what keeps the mean at 1.
//!
//! A pure function of (seed, step, worker, sample, input): ChaCha is keyed by seed, step and input, its stream is worker and sample. So runs
//! repeat and resume exactly, and factors depend neither on devices, nor on micro-batches, nor on what else a worker holds.

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

/// Which factors: those of one graph input for one worker and step.
#[derive(Debug, Clone, Copy)]
pub struct DrawKey {
    pub seed: u64,
    pub step: u64,
    pub worker: usize,
    /// Number of the graph input in the model.
    pub index: u64,
}

/// Factors of consecutive samples, from the `first` of the worker's step on; `size` each.
pub fn draw(key: DrawKey, drop: f64, first: usize, size: usize, target: &mut [f32]) {
    let kept = (1.0 / (1.0 - drop)) as f32;
    let below = (drop * 2f64.powi(32)).round() as u64;
    for (sample, factors) in target.chunks_exact_mut(size.max(1)).enumerate() {
        let mut generator = generator(key, first + sample);
        factors.fill_with(|| if u64::from(generator.next_u32()) < below { 0.0 } else { kept });
    }
}

fn generator(DrawKey { seed, step, worker, index }: DrawKey, sample: usize) -> ChaCha8Rng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(b"dropping");
    for (word, number) in bytes[8..].as_chunks_mut::<8>().0.iter_mut().zip([index, seed, step]) {
        *word = number.to_le_bytes();
    }
    let mut generator = ChaCha8Rng::from_seed(bytes);
    generator.set_stream((worker as u64) << 32 | sample as u64);
    generator
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: DrawKey = DrawKey { seed: 7, step: 3, worker: 1, index: 4 };

    fn drawn(key: DrawKey, drop: f64, first: usize, samples: usize, size: usize) -> Vec<f32> {
        let mut factors = vec![f32::NAN; samples * size];
        draw(key, drop, first, size, &mut factors);
        factors
    }

    /// With n draws the share of zeros has the standard deviation sqrt(p (1 - p) / n); five of them are allowed.
    #[test]
    fn the_share_of_zeros_is_the_probability_and_the_mean_is_one() {
        for drop in [0.0, 0.1, 0.5, 0.9] {
            let (samples, size) = (400, 500);
            let factors = drawn(KEY, drop, 0, samples, size);
            let count = factors.len() as f64;
            let zeros = factors.iter().filter(|&&factor| factor == 0.0).count() as f64;
            let deviation = (drop * (1.0 - drop) / count).sqrt();
            assert!((zeros / count - drop).abs() <= 5.0 * deviation, "{drop}: {}", zeros / count);
            let mean = factors.iter().map(|&factor| f64::from(factor)).sum::<f64>() / count;
            assert!((mean - 1.0).abs() <= 5.0 * deviation / (1.0 - drop) + 1e-6, "{drop}: {mean}");
            assert!(factors.iter().all(|&factor| factor == 0.0 || factor == (1.0 / (1.0 - drop)) as f32));
        }
    }

    #[test]
    fn micro_batches_continue_each_other() {
        let whole = drawn(KEY, 0.5, 0, 8, 3);
        assert_eq!([drawn(KEY, 0.5, 0, 4, 3), drawn(KEY, 0.5, 4, 4, 3)].concat(), whole);
    }

    #[test]
    fn each_part_of_the_key_gives_other_factors() {
        let factors = drawn(KEY, 0.5, 0, 64, 4);
        let others = [DrawKey { seed: 8, ..KEY }, DrawKey { step: 4, ..KEY }, DrawKey { worker: 2, ..KEY }, DrawKey { index: 5, ..KEY }];
        for other in others {
            let agreeing = factors.iter().zip(drawn(other, 0.5, 0, 64, 4)).filter(|(a, b)| **a == *b).count();
            // Of 256 independent pairs half agree, with a standard deviation of 8.
            assert!((88..168).contains(&agreeing), "{agreeing} of 256 agree with {other:?}");
        }
        assert_eq!(drawn(KEY, 0.5, 0, 64, 4), factors);
    }
}
