//! Files mapped into memory: the only place that turns addresses into references, besides the ONNX Runtime bindings.
//!
//! Why references into shared memory are sound here: every process that maps a store runs this crate, and the step protocol
//! (train.rs, evaluate.rs) gives each range exactly one writer between two barriers and no reader besides it. The barrier's atomics
//! order one phase before the next. A process that dies leaves plain floats behind; it cannot leave an invalid value.

#![allow(unsafe_code)]

use std::fs::{File, OpenOptions, TryLockError};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::AtomicU64;

#[cfg(unix)]
use memmap2::UncheckedAdvice;
use memmap2::{Mmap, MmapOptions, MmapRaw};

use crate::error::{Error, Result};
use crate::hold;
use crate::store::control::Control;

/// Areas start at multiples of this.
pub const PAGE: usize = 4096;

/// A writable mapping that several processes share.
pub struct Mapping {
    raw: MmapRaw,
    /// The file, held by every process that maps it: a store that nobody holds is left over. Absent where there is no file.
    _held: Option<File>,
}

impl Mapping {
    /// Creates the file, reserves its space for real, and maps it, filled with zeros. Fails where space is lacking, and leaves no file.
    pub fn create(path: &Path, len: usize) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let failed = |e: std::io::Error| Error::storage(format!("creating {}", path.display()), &e);
        let file = loop {
            let file = options.open(path).map_err(failed)?;
            // Where the file system has no locks, nobody else can hold the file either, and it stays.
            let _ = file.lock_shared();
            // Who removes stores that are left over may have come first.
            if !hold::is_removed(&file) {
                break file;
            }
        };
        match reserve(&file, path, len).and_then(|()| Self::map(&file, path)) {
            Ok(mapping) => Ok(Self { _held: Some(file), ..mapping }),
            Err(error) => {
                drop(file);
                let _ = std::fs::remove_file(path);
                Err(error)
            }
        }
    }

    /// Maps an existing file beside others who have it. Fails where somebody has it alone.
    pub fn open(path: &Path) -> Result<Self> {
        let file = existing(path)?;
        if let Err(TryLockError::WouldBlock) = file.try_lock_shared() {
            return Err(Error::Storage(format!("{} is taken by another process", path.display())));
        }
        let mapping = Self::map(&file, path)?;
        Ok(Self { _held: Some(file), ..mapping })
    }

    /// Maps an existing file alone; `None` where somebody else has it. Others cannot open it until this mapping goes.
    pub fn take(path: &Path) -> Result<Option<Self>> {
        let file = existing(path)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(Error::storage(format!("taking {}", path.display()), &e)),
            Ok(()) => {
                let mapping = Self::map(&file, path)?;
                Ok(Some(Self { _held: Some(file), ..mapping }))
            }
        }
    }

    /// Maps as much memory of this process alone, filled with zeros; it takes none of it before that is used.
    pub fn private(len: usize) -> Result<Self> {
        let lacking = |e| Error::storage(format!("mapping {} MiB", len >> 20), &e);
        let raw = MmapRaw::from(MmapOptions::new().len(len).no_reserve_swap().map_anon().map_err(lacking)?);
        Ok(Self { raw, _held: None })
    }

    fn map(file: &File, path: &Path) -> Result<Self> {
        let raw = MmapOptions::new().map_raw(file).map_err(|e| Error::storage(format!("mapping {}", path.display()), &e))?;
        Ok(Self { raw, _held: None })
    }

    pub fn size(&self) -> usize {
        self.raw.len()
    }

    /// Takes no part of it to be in the memory of this process until it is used again; what it holds stays.
    pub fn release(&self) {
        #[cfg(unix)]
        // SAFETY: of a shared mapping only the entries in this process's page table go; the file keeps the pages.
        let _ = unsafe { self.raw.unchecked_advise(UncheckedAdvice::DontNeed) };
    }

    fn pointer<T>(&self, offset: usize, count: usize) -> *mut T {
        let end = count.checked_mul(size_of::<T>()).and_then(|bytes| bytes.checked_add(offset));
        assert!(end.is_some_and(|end| end <= self.size()) && offset.is_multiple_of(align_of::<T>()), "range {offset}+{count} of the store");
        // SAFETY: the range was just checked to lie in the mapping.
        unsafe { self.raw.as_mut_ptr().add(offset).cast() }
    }

    /// Bytes that nobody writes any more: the header and the layout.
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        // SAFETY: in range; written only by `create`, before the path is known to anyone else.
        unsafe { std::slice::from_raw_parts(self.pointer(range.start, range.len()), range.len()) }
    }

    /// Writes the header and the layout of a mapping that nobody else has opened yet.
    pub fn write_bytes(&mut self, offset: usize, bytes: &[u8]) {
        let target: *mut u8 = self.pointer(offset, bytes.len());
        // SAFETY: in range; the mapping is borrowed exclusively and not yet shared; the source is other memory.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) }
    }

    /// The control block at `offset`.
    pub fn control(&self, offset: usize) -> &Control {
        // SAFETY: in range and aligned; Control consists of atomics, for which any bit pattern and concurrent access are fine.
        unsafe { &*self.pointer(offset, 1) }
    }

    /// Atomic words at `offset`.
    pub fn words(&self, offset: usize, count: usize) -> &[AtomicU64] {
        // SAFETY: in range and aligned; atomics may be shared between processes.
        unsafe { std::slice::from_raw_parts(self.pointer(offset, count), count) }
    }

    /// Floats that are not written in this phase.
    pub fn floats(&self, offset: usize, count: usize) -> &[f32] {
        // SAFETY: in range and aligned; no writer in this phase, by the protocol in the header.
        unsafe { std::slice::from_raw_parts(self.pointer(offset, count), count) }
    }

    /// Floats of which the caller is the only user in this phase.
    #[allow(clippy::mut_from_ref)]
    pub fn floats_mut(&self, offset: usize, count: usize) -> &mut [f32] {
        // SAFETY: in range and aligned; the caller is the only user in this phase, by the protocol in the header.
        unsafe { std::slice::from_raw_parts_mut(self.pointer(offset, count), count) }
    }

    /// Address of floats, for a session that reads or writes them in place.
    pub fn address(&self, offset: usize, count: usize) -> *mut f32 {
        self.pointer(offset, count)
    }
}

fn existing(path: &Path) -> Result<File> {
    OpenOptions::new().read(true).write(true).open(path).map_err(|e| Error::storage(format!("opening {}", path.display()), &e))
}

/// Maps a file for reading. `what` names it in the error, whose code is `data` or `checkpoint` as `wrap` has it.
pub fn map_file(path: &Path, wrap: fn(String) -> Error) -> Result<Mmap> {
    let fail = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => wrap(format!("there is no file {}", path.display())),
        _ => wrap(format!("reading {} failed: {e}", path.display())),
    };
    let file = File::open(path).map_err(fail)?;
    // SAFETY: datasets, checkpoints and libraries are written once, under a temporary name, and not changed afterwards.
    unsafe { Mmap::map(&file) }.map_err(fail)
}

/// What was read of a mapped file stays in the system's cache, but no longer counts as memory of this process.
pub fn release(file: &Mmap) {
    #[cfg(unix)]
    // SAFETY: a shared mapping of a file for reading: what goes is read from the file again.
    let _ = unsafe { file.unchecked_advise(UncheckedAdvice::DontNeed) };
}

/// Gives the file its size and the space for it, so that a full file system is an error here and not a signal later.
fn reserve(file: &File, path: &Path, len: usize) -> Result<()> {
    let lacking = |e: &std::io::Error| match e.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded | std::io::ErrorKind::OutOfMemory => {
            Error::Storage(format!("{} MiB of shared memory are needed in {}, and there is less", len >> 20, path.display()))
        }
        _ => Error::storage(format!("reserving {} MiB in {}", len >> 20, path.display()), e),
    };
    #[cfg(target_os = "linux")]
    {
        check_available_memory(file, len).map_err(|e| lacking(&e))?;
        match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, len as u64) {
            Err(rustix::io::Errno::OPNOTSUPP) => {}
            other => return other.map_err(|e| lacking(&e.into())),
        }
    }
    let mut left = len;
    let zeros = vec![0; left.min(1 << 20)];
    while left > 0 {
        let part = left.min(zeros.len());
        std::io::Write::write_all(&mut &*file, &zeros[..part]).map_err(|e| lacking(&e))?;
        left -= part;
    }
    Ok(())
}

/// A memory file system may be larger than the memory that is left, and reserving would then end in the out-of-memory killer.
#[cfg(target_os = "linux")]
fn check_available_memory(file: &File, len: usize) -> std::io::Result<()> {
    const TMPFS_MAGIC: u64 = 0x0102_1994;
    if rustix::fs::fstatfs(file)?.f_type as u64 != TMPFS_MAGIC {
        return Ok(());
    }
    let kib = std::fs::read_to_string("/proc/meminfo")?
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix(" kB")?.parse::<usize>().ok());
    match kib {
        Some(kib) if kib * 1024 < len => Err(std::io::ErrorKind::OutOfMemory.into()),
        _ => Ok(()),
    }
}
