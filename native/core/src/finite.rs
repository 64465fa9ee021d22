//! Whether training is still about numbers: its losses and gradients, and what an update would leave.
//!
//! Before the barrier that publishes the slabs, each participant looks at the losses and the slabs of its own workers. What is not finite
//! is reported, and then nobody updates: parameters and state stay those of the step before. An update by finite gradients may overflow
//! too. How large things are (gradients in this step, values and state after the last one) bounds what it can leave; only where that comes
//! near the end of float32, or is not known, the update is tried on copies first (`reduce::foresee`).

use multiversion::multiversion;

use crate::device::Engine;
use crate::layout::TensorKind;
use crate::records::WorkerStep;
use crate::reduce;
use crate::spec::{Fault, FaultKind};
use crate::store::Store;

/// Bits of infinity; those of numbers that are not finite are not below it, whatever their sign.
const INFINITE: u32 = 0x7f80_0000;
/// Below that an update cannot overflow, rounding and all.
pub const SAFE: f64 = 1e37;

/// Bits of a code from which on it has the worker, and the kind.
const WORKER: u32 = 40;
const KIND: u32 = 62;

/// In the order in which they are told.
#[derive(Clone, Copy)]
enum Kind {
    Loss,
    Slab,
    Update,
}

/// Reports what is not finite of what this participant has computed in a step, and how large its gradients are.
pub fn look(engine: &Engine, workers: &[WorkerStep]) {
    let reports = &engine.store.control().reports;
    for done in workers.iter().filter(|done| !done.loss.is_finite()) {
        reports.fault(code(Kind::Loss, done.worker, 0));
    }
    let own: Vec<usize> = workers.iter().map(|done| done.worker).collect();
    reports.magnitude(reduce::look(&engine.store, &own, engine.threads));
}

/// Bits of the largest magnitude in a part of a worker's slab; reports a tensor of it that is not finite.
pub fn look_at_slab(store: &Store, worker: usize, tensor: u32, part: &[f32]) -> u32 {
    let largest = magnitude(part);
    if largest >= INFINITE {
        store.control().reports.fault(code(Kind::Slab, worker, tensor));
    }
    largest
}

/// Reports a tensor that would not be finite after an update. `largest`: bits of the largest magnitude that it would leave.
pub fn look_at_update(store: &Store, tensor: u32, largest: u32) {
    if largest >= INFINITE {
        store.control().reports.fault(code(Kind::Update, 0, tensor));
    }
}

/// The first by kind, worker and tensor of what any participant has reported before the last barrier.
pub fn fault(store: &Store) -> Option<Fault> {
    let code = store.control().reports.lowest_fault()?;
    let worker = Some((code >> WORKER) as u32 & ((1 << (KIND - WORKER)) - 1));
    let tensor = store.layout().tensors.get(code as u32 as usize)?;
    let name = Some(tensor.name.clone());
    Some(match code >> KIND {
        kind if kind == Kind::Loss as u64 => Fault { kind: FaultKind::Loss, worker, tensor: None },
        kind if kind == Kind::Update as u64 => Fault { kind: FaultKind::Parameter, worker: None, tensor: name },
        _ if tensor.kind == TensorKind::Buffer => Fault { kind: FaultKind::Statistic, worker, tensor: name },
        _ => Fault { kind: FaultKind::Gradient, worker, tensor: name },
    })
}

/// Ordered by kind, worker and tensor.
fn code(kind: Kind, worker: usize, tensor: u32) -> u64 {
    ((kind as u64) << KIND) | ((worker as u64) << WORKER) | u64::from(tensor)
}

/// Bits of a magnitude; as integers they are in the order of the numbers.
#[inline(always)]
pub fn magnitude_bits(x: f32) -> u32 {
    x.to_bits() & 0x7fff_ffff
}

/// Bits of the largest magnitude.
#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2"))]
pub fn magnitude(values: &[f32]) -> u32 {
    values.iter().fold(0, |largest, &x| largest.max(magnitude_bits(x)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_magnitude_tells_what_is_not_finite() {
        assert_eq!(magnitude(&[1.0, -2.5, 0.0]), 2.5f32.to_bits());
        for odd in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(magnitude(&[1.0, odd, f32::MAX]) >= INFINITE);
        }
        assert!(magnitude(&[f32::MIN, f32::MAX]) < INFINITE);
    }
}
