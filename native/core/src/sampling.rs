//! The sampling order: which samples each worker sees at each step, a pure function of (seed, step).
//!
//! Every epoch has a permutation of its own, drawn by Fisher-Yates from a generator keyed by (seed, epoch). Step s uses the s-th
//! global batch, worker w the w-th part of it (its micro-batches are parts of that in turn); the last incomplete global batch of an epoch is left out.

use rand_chacha::ChaCha8Rng;
use rand_core::RngCore;
use sdp_data::sampling::generator;

use crate::error::{Result, ensure};
use crate::spec::Sampling;

/// Uniform in [0, bound) without bias (Lemire 2019, "Fast Random Integer Generation in an Interval").
fn below(generator: &mut ChaCha8Rng, bound: u64) -> u64 {
    let threshold = bound.wrapping_neg() % bound;
    loop {
        let product = u128::from(generator.next_u64()) * u128::from(bound);
        if product as u64 >= threshold {
            return (product >> 64) as u64;
        }
    }
}

/// A sample of an epoch, and the one that follows in the epoch's order, with which it is mixed where samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    pub sample: u32,
    pub partner: u32,
}

/// Tells by which samples of an epoch these are, in any order: one that is left out, doubled or of another epoch makes another sum.
pub fn checksum(epoch: u64, draws: &[Draw]) -> u32 {
    draws.iter().fold(0, |sum: u32, draw| sum.wrapping_add((mixed((epoch << 32) | u64::from(draw.sample)) >> 32) as u32))
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014, "Fast Splittable Pseudorandom Number Generators").
fn mixed(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// The order of the samples of one epoch.
pub fn permutation(seed: u64, epoch: u64, samples: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..samples as u32).collect();
    let mut generator = generator(b"sampling order  ", seed, epoch);
    for last in (1..samples).rev() {
        order.swap(last, below(&mut generator, last as u64 + 1) as usize);
    }
    order
}

/// Sampling order over a dataset; keeps the permutation of the epoch that was last asked for.
pub struct Order {
    seed: u64,
    samples: usize,
    num_workers: usize,
    /// Samples of a worker and step.
    share: usize,
    epoch: Option<(u64, Vec<u32>)>,
}

impl Order {
    /// Fails where the samples are too few for a step.
    pub fn of(sampling: &Sampling) -> Result<Self> {
        let &Sampling { seed, samples, num_workers, share } = sampling;
        ensure((1..=samples).contains(&(num_workers * share)), || format!("{num_workers} workers with {share} of {samples} samples"))?;
        Ok(Self::new(seed, samples, num_workers, share))
    }

    pub fn new(seed: u64, samples: usize, num_workers: usize, share: usize) -> Self {
        Self { seed, samples, num_workers, share, epoch: None }
    }

    /// Epoch and samples of one worker at one step; the dataset must hold at least one global batch.
    pub fn share(&mut self, step: u64, worker: usize) -> (u64, Vec<Draw>) {
        let global = self.num_workers * self.share;
        let steps = (self.samples / global) as u64;
        let start = (step % steps) as usize * global + worker * self.share;
        let (size, samples, epoch) = (self.share, self.samples, step / steps);
        let order = self.epoch(epoch);
        (epoch, (start..start + size).map(|at| Draw { sample: order[at], partner: order[(at + 1) % samples] }).collect())
    }

    /// Sum of the checksums of all workers at a step: what they report where each has read its own samples, and those once.
    pub fn checksum(&mut self, step: u64) -> f64 {
        (0..self.num_workers).map(|worker| self.share(step, worker)).map(|(epoch, draws)| f64::from(checksum(epoch, &draws))).sum()
    }

    /// Samples of a statistics batch: the first micro-batches of epoch 0, counted on over the workers.
    pub fn statistics_batch(&mut self, batch: usize, size: usize) -> &[u32] {
        &self.epoch(0)[batch * size..(batch + 1) * size]
    }

    fn epoch(&mut self, epoch: u64) -> &[u32] {
        let (seed, samples) = (self.seed, self.samples);
        if self.epoch.as_ref().is_none_or(|(kept, _)| *kept != epoch) {
            self.epoch = None;
        }
        &self.epoch.get_or_insert_with(|| (epoch, permutation(seed, epoch, samples))).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn samples(order: &mut Order, step: u64, worker: usize) -> Vec<u32> {
        order.share(step, worker).1.iter().map(|draw| draw.sample).collect()
    }

    #[test]
    fn an_epoch_shows_every_sample_at_most_once_and_workers_are_disjoint() {
        let (count, workers, size) = (103, 4, 5);
        let mut order = Order::new(7, count, workers, size);
        for epoch in 0..3 {
            let mut seen = HashSet::new();
            for step in 0..5 {
                for worker in 0..workers {
                    seen.extend(samples(&mut order, epoch * 5 + step, worker));
                }
            }
            assert_eq!(seen.len(), 100);
            assert!(seen.iter().all(|sample| *sample < 103));
        }
    }

    #[test]
    fn the_order_depends_on_seed_and_step_alone() {
        let mut forward = Order::new(3, 50, 2, 4);
        let batches: Vec<Vec<u32>> = (0..20).map(|step| samples(&mut forward, step, 1)).collect();
        let mut backward = Order::new(3, 50, 2, 4);
        for step in (0..20).rev() {
            assert_eq!(samples(&mut backward, step, 1), batches[step as usize]);
        }
        assert_ne!(samples(&mut Order::new(4, 50, 2, 4), 0, 1), batches[0]);
        assert_ne!(batches[0], batches[6], "another epoch, another order");
    }

    #[test]
    fn the_checksum_of_a_step_is_that_of_its_samples_each_once() {
        let mut order = Order::of(&Sampling { seed: 3, samples: 50, num_workers: 2, share: 4 }).unwrap();
        let of =
            |epoch: u64, samples: &[u32]| checksum(epoch, &samples.iter().map(|&sample| Draw { sample, partner: 0 }).collect::<Vec<_>>());
        for step in [0, 7] {
            let epoch = step / 6;
            let [first, second] = [0, 1].map(|worker| samples(&mut order, step, worker));
            let sum = |second: &[u32]| f64::from(of(epoch, &first)) + f64::from(of(epoch, second));
            assert_eq!(order.checksum(step), sum(&second));
            let mut others = second.clone();
            others.reverse();
            assert_eq!(order.checksum(step), sum(&others));
            others[0] = first[0];
            assert_ne!(order.checksum(step), sum(&others), "one is doubled");
            assert_ne!(order.checksum(step), sum(&second[1..]), "one is left out");
            assert_ne!(of(epoch, &first), of(epoch + 1, &first));
        }
        assert!(Order::of(&Sampling { seed: 3, samples: 7, num_workers: 2, share: 4 }).is_err());
    }

    #[test]
    fn permutations_are_uniform() {
        let mut counts = [0; 6];
        for seed in 0..6000 {
            let p = permutation(seed, 0, 3);
            counts[(p[0] * 2 + u32::from(p[1] > p[2])) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (900..1100).contains(count)), "{counts:?}");
    }
}
