//! What participants tell each other at a barrier: what is not finite, and how large numbers are (finite.rs).
//!
//! What is told before a barrier is fixed when that is full, as the stop request is, and told anew from then on. So all participants see
//! the same after it, however far ahead one of them is.

use crate::atomic::{AtomicU32, AtomicU64, Ordering};

#[repr(C)]
#[derive(Default)]
pub struct Reports {
    /// Complement of the lowest code; 0: none.
    fault: AtomicU64,
    fault_latched: AtomicU64,
    /// Bits of the largest magnitude.
    largest: AtomicU32,
    largest_latched: AtomicU32,
}

impl Reports {
    /// The lowest code stays.
    pub fn fault(&self, code: u64) {
        self.fault.fetch_max(!code, Ordering::AcqRel);
    }

    /// Magnitude, as bits.
    pub fn magnitude(&self, bits: u32) {
        self.largest.fetch_max(bits, Ordering::AcqRel);
    }

    /// By the last participant to arrive at a barrier.
    pub(super) fn latch(&self) {
        self.fault_latched.store(self.fault.swap(0, Ordering::AcqRel), Ordering::Release);
        self.largest_latched.store(self.largest.swap(0, Ordering::AcqRel), Ordering::Release);
    }

    /// The lowest code of any participant before the last barrier.
    pub fn lowest_fault(&self) -> Option<u64> {
        let word = self.fault_latched.load(Ordering::Acquire);
        (word != 0).then_some(!word)
    }

    /// The largest magnitude of any participant before the last barrier.
    pub fn largest(&self) -> f64 {
        f32::from_bits(self.largest_latched.load(Ordering::Acquire)).into()
    }
}
