//! Waiting for a word in shared memory to change: on Linux on a futex, elsewhere with short sleeps.

use std::time::Duration;

use crate::atomic::AtomicU32;
#[cfg(not(target_os = "linux"))]
use crate::atomic::Ordering;

/// A wait ends after as long in any case.
const LONGEST: Duration = Duration::from_millis(250);

#[cfg(target_os = "linux")]
pub fn wait(word: &AtomicU32, expected: u32) {
    use rustix::thread::futex;
    let timeout = futex::Timespec { tv_sec: 0, tv_nsec: LONGEST.subsec_nanos().into() };
    // Every outcome (woken, changed already, timed out, interrupted) is handled by the caller's loop.
    let _ = futex::wait(word, futex::Flags::empty(), expected, Some(&timeout));
}

#[cfg(target_os = "linux")]
pub fn wake_all(word: &AtomicU32) {
    let _ = rustix::thread::futex::wake(word, rustix::thread::futex::Flags::empty(), i32::MAX as u32);
}

#[cfg(not(target_os = "linux"))]
pub fn wait(word: &AtomicU32, expected: u32) {
    let end = std::time::Instant::now() + LONGEST;
    while word.load(Ordering::Acquire) == expected && std::time::Instant::now() < end {
        std::thread::sleep(Duration::from_micros(200));
    }
}

#[cfg(not(target_os = "linux"))]
pub fn wake_all(_word: &AtomicU32) {}
