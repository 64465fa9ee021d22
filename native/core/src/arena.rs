//! Memory for the intermediates of all CPU sessions of this process: one arena, registered with the runtime's environment.
//!
//! The sessions of a device run one after the other, so that they share the memory: what is needed is that of the largest, not the sum,
//! as it would be with the runtime's own arenas, of which each session has one. It is one reserved range of addresses; only its used part
//! (blocks.rs) is ever touched. The runtime's own arena also hands out up to twice the size that was asked for.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ort::AsPointer;
use ort::environment::Environment;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
#[cfg(target_os = "linux")]
use rustix::mm::{Advice, madvise};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect};

use crate::blocks::Blocks;
use crate::error::{Error, Result};
use crate::process;

/// Memory is made accessible in steps of this, and comes from the system in huge pages where there are such.
const GROWTH: usize = 2 << 20;

/// What the runtime sees comes first, so that its address is that of the arena.
#[repr(C)]
pub struct Arena {
    interface: ort::sys::OrtAllocator,
    info: MemoryInfo<'static>,
    state: Mutex<State>,
}

struct State {
    blocks: Blocks,
    start: NonNull<u8>,
    reserved: usize,
    /// Bytes from `start` on that may be accessed.
    accessible: usize,
}

// SAFETY: the range belongs to the arena; its blocks are handed out under the lock. The description is not changed after `register`.
unsafe impl Send for Arena {}
// SAFETY: as above.
unsafe impl Sync for Arena {}

impl Arena {
    /// Makes the arena and registers it; it lives as long as the process.
    pub fn register(environment: &Environment) -> Result<&'static Self> {
        let failed = |e: String| {
            Error::Device(format!(
                "addresses for the memory of the sessions, as many as the machine has memory, cannot be reserved: {e}{}",
                process::memory_limit()
            ))
        };
        let info = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::Default);
        let interface = ort::sys::OrtAllocator {
            version: ort::sys::ORT_API_VERSION,
            Alloc: Some(take),
            Free: Some(give_back),
            Info: Some(describe),
            Reserve: Some(reserve),
            GetStats: None,
            AllocOnStream: None,
        };
        let state = Mutex::new(State::new().map_err(|e| failed(e.to_string()))?);
        let arena: &'static mut Self = Box::leak(Box::new(Self { interface, info: info.map_err(|e| failed(e.to_string()))?, state }));
        // SAFETY: the interface lives for ever; the environment is one that the runtime has made.
        let status = unsafe { (ort::api().RegisterAllocator)(environment.ptr().cast_mut(), &raw mut arena.interface) };
        // SAFETY: the status is this call's own.
        unsafe { ort::Error::result_from_status(status) }.map_err(|e| failed(e.to_string()))?;
        Ok(arena)
    }

    /// Largest size of the used part since it was last trimmed, in bytes.
    pub fn peak_bytes(&self) -> u64 {
        self.state().blocks.peak() as u64
    }

    /// Gives free memory at the end back to the system, and begins to measure the largest size anew.
    pub fn trim(&self) {
        self.state().trim();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Reserves as many addresses as this machine has memory; that takes none of it.
    fn new() -> rustix::io::Result<Self> {
        let reserved = (process::describe_cpu().memory_bytes as usize).next_multiple_of(GROWTH);
        // SAFETY: a new private mapping at an address that the system chooses.
        let start = unsafe { mmap_anonymous(std::ptr::null_mut(), reserved, ProtFlags::empty(), MapFlags::PRIVATE | MapFlags::NORESERVE)? };
        let start: NonNull<u8> = NonNull::new(start.cast()).ok_or(rustix::io::Errno::NOMEM)?;
        #[cfg(target_os = "linux")]
        // SAFETY: the whole of the new mapping.
        let _ = unsafe { madvise(start.as_ptr().cast(), reserved, Advice::LinuxHugepage) };
        Ok(Self { blocks: Blocks::default(), start, reserved, accessible: 0 })
    }

    fn take(&mut self, size: usize) -> Option<NonNull<u8>> {
        let offset = self.blocks.take(size);
        let wanted = self.blocks.end().next_multiple_of(GROWTH);
        if wanted > self.accessible {
            let fits = wanted <= self.reserved;
            // SAFETY: a part of the mapping.
            let grown = fits && unsafe { mprotect(self.start.as_ptr().cast(), wanted, MprotectFlags::READ | MprotectFlags::WRITE) }.is_ok();
            if !grown {
                self.blocks.give_back(offset);
                return None;
            }
            self.accessible = wanted;
        }
        // SAFETY: in the mapping.
        Some(unsafe { self.start.add(offset) })
    }

    fn give_back(&mut self, address: NonNull<u8>) {
        let offset = (address.as_ptr() as usize).checked_sub(self.start.as_ptr() as usize);
        let known = offset.is_some_and(|offset| self.blocks.give_back(offset));
        debug_assert!(known, "the runtime freed what it was not given");
    }

    fn trim(&mut self) {
        self.blocks.reset_peak();
        let from = self.blocks.end().next_multiple_of(GROWTH);
        if from < self.accessible {
            #[cfg(target_os = "linux")]
            // SAFETY: no block lies there; a private mapping reads as zeros afterwards.
            let _ = unsafe { madvise(self.start.add(from).as_ptr().cast(), self.accessible - from, Advice::LinuxDontNeed) };
        }
    }
}

unsafe extern "system" fn take(this: *mut ort::sys::OrtAllocator, size: usize) -> *mut c_void {
    // SAFETY: the runtime passes what was registered, the first field of an arena that lives for ever.
    let arena = unsafe { &*this.cast::<Arena>() };
    let taken = arena.state().take(size);
    // The runtime does not check what it is given: ending here names the cause.
    let Some(taken) = taken else {
        eprintln!("out of memory: the runtime asked for another {} MiB", size >> 20);
        std::process::abort();
    };
    taken.as_ptr().cast()
}

unsafe extern "system" fn reserve(this: *const ort::sys::OrtAllocator, size: usize) -> *mut c_void {
    // SAFETY: as for `take`, which only reads through the pointer.
    unsafe { take(this.cast_mut(), size) }
}

unsafe extern "system" fn give_back(this: *mut ort::sys::OrtAllocator, address: *mut c_void) {
    // SAFETY: as for `take`.
    let arena = unsafe { &*this.cast::<Arena>() };
    if let Some(address) = NonNull::new(address.cast()) {
        arena.state().give_back(address);
    }
}

unsafe extern "system" fn describe(this: *const ort::sys::OrtAllocator) -> *const ort::sys::OrtMemoryInfo {
    // SAFETY: as for `take`.
    unsafe { (*this.cast::<Arena>()).info.ptr() }
}
