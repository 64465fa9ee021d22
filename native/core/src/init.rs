//! Initial parameters, drawn tensor by tensor in library layout from a generator keyed by (seed, tensor index), then written through the
//! store's layout: the same whatever the masks.

use std::f64::consts::TAU;
use std::sync::atomic::{AtomicBool, Ordering};

use rand_chacha::ChaCha8Rng;
use rand_core::RngCore;

use crate::error::{Error, Result, ensure};
use crate::spec::{InitKind, InitSpec};
use crate::store::{Area, Store};
use sdp_data::sampling::generator;

/// Draws every tensor of the store; optimizer state becomes zero. Fails with `cancelled` at the next tensor once `cancelled` is set.
pub fn initialise(store: &Store, inits: &[InitSpec], seed: u64, cancelled: &AtomicBool) -> Result<()> {
    let layout = store.layout();
    ensure(inits.len() == layout.tensors.len(), || format!("{} inits for {} tensors", inits.len(), layout.tensors.len()))?;
    for (index, (tensor, init)) in layout.tensors.iter().zip(inits).enumerate() {
        go_on(cancelled)?;
        let library = draw(init, tensor.size(), seed, index as u64);
        tensor.to_store(&library, store.write(Area::Values, tensor.offset..tensor.offset + tensor.size()));
    }
    for slot in store.slots() {
        go_on(cancelled)?;
        store.write(slot, 0..layout.parameter_size).fill(0.0);
    }
    Ok(())
}

fn go_on(cancelled: &AtomicBool) -> Result<()> {
    if cancelled.load(Ordering::Relaxed) { Err(Error::Cancelled("the store was closed".into())) } else { Ok(()) }
}

/// Values of the tensor with this index.
pub(crate) fn draw(init: &InitSpec, size: usize, seed: u64, index: u64) -> Vec<f32> {
    let mut generator = generator(b"initial values  ", seed, index);
    match init.kind {
        InitKind::Constant => vec![init.value as f32; size],
        InitKind::Uniform => (0..size).map(|_| ((2.0 * unit(&mut generator) - 1.0) * init.value) as f32).collect(),
        InitKind::Normal => {
            let mut values = vec![0.0; size];
            for pair in values.chunks_mut(2) {
                let (a, b) = normal_pair(&mut generator);
                pair[0] = (a * init.value) as f32;
                if let Some(second) = pair.get_mut(1) {
                    *second = (b * init.value) as f32;
                }
            }
            values
        }
    }
}

/// Uniform in [0, 1), 53 bits.
fn unit(generator: &mut ChaCha8Rng) -> f64 {
    (generator.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// Two independent standard normal numbers (Box and Muller).
fn normal_pair(generator: &mut ChaCha8Rng) -> (f64, f64) {
    let radius = (-2.0 * (1.0 - unit(generator)).ln()).sqrt();
    let (sin, cos) = (TAU * unit(generator)).sin_cos();
    (radius * cos, radius * sin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(values: &[f32]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        (mean, (values.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n).sqrt())
    }

    #[test]
    fn draws_have_the_asked_distribution() {
        let (mean, std) = moments(&draw(&InitSpec { kind: InitKind::Normal, value: 0.5 }, 100_001, 1, 2));
        assert!(mean.abs() < 0.01 && (std - 0.5).abs() < 0.01, "{mean} {std}");
        let uniform = draw(&InitSpec { kind: InitKind::Uniform, value: 0.3 }, 100_000, 1, 2);
        let (mean, std) = moments(&uniform);
        assert!(mean.abs() < 0.01 && (std - 0.3 / 3f64.sqrt()).abs() < 0.01, "{mean} {std}");
        assert!(uniform.iter().all(|x| x.abs() <= 0.3));
        assert_eq!(draw(&InitSpec { kind: InitKind::Constant, value: 1.0 }, 2, 1, 2), [1.0, 1.0]);
    }

    #[test]
    fn draws_depend_on_seed_and_tensor() {
        let normal = InitSpec { kind: InitKind::Normal, value: 1.0 };
        assert_eq!(draw(&normal, 9, 1, 2), draw(&normal, 9, 1, 2));
        assert_ne!(draw(&normal, 9, 1, 2), draw(&normal, 9, 1, 3));
        assert_ne!(draw(&normal, 9, 1, 2), draw(&normal, 9, 2, 2));
    }
}
