//! Choices that depend on a seed alone: keyed generators, and which samples are kept for validation.

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

use crate::images::{NO_LABEL, Split};

/// Keeps `share` of each class, to whole samples and at least one of two, for validation.
pub fn stratified(labels: &[u32], classes: usize, share: f64, seed: u64) -> Vec<Split> {
    let mut members = vec![Vec::new(); classes + 1];
    for (sample, &label) in labels.iter().enumerate() {
        members[if label == NO_LABEL { classes } else { (label as usize).min(classes) }].push(sample);
    }
    let mut splits = vec![Split::Train; labels.len()];
    for (class, mut samples) in members.into_iter().enumerate() {
        let least = usize::from(samples.len() > 1);
        let kept = ((samples.len() as f64 * share).round() as usize).max(least).min(samples.len().saturating_sub(1));
        let mut generator = generator(b"validation split", seed, class as u64);
        for at in 0..kept {
            let rest = (samples.len() - at) as u64;
            samples.swap(at, at + (generator.next_u64() % rest) as usize);
            splits[samples[at]] = Split::Test;
        }
    }
    splits
}

/// A generator keyed by what it is for, the seed and a number.
pub fn generator(purpose: &[u8; 16], seed: u64, number: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..16].copy_from_slice(purpose);
    key[16..24].copy_from_slice(&seed.to_le_bytes());
    key[24..].copy_from_slice(&number.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_gives_its_share_and_the_seed_decides_which() {
        let labels: Vec<u32> = (0..1000).map(|sample| sample % 4).collect();
        let splits = stratified(&labels, 4, 0.1, 7);
        for class in 0..4 {
            let kept = (0..1000).filter(|&s| labels[s] == class && splits[s] == Split::Test).count();
            assert_eq!(kept, 25);
        }
        assert_eq!(splits, stratified(&labels, 4, 0.1, 7));
        assert_ne!(splits, stratified(&labels, 4, 0.1, 8));
        assert_eq!(stratified(&[0, 0, 1], 2, 0.1, 0).iter().filter(|split| **split == Split::Test).count(), 1);
    }
}
