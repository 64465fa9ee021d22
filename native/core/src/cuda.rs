//! The CUDA driver, as far as copies need it: the primary context of a device, pinned host memory, and copies on streams.
//!
//! The runtime works in the primary context too, so that addresses of its device memory are good here. The library comes with the card's
//! driver and is opened by name when it is needed. Every call makes the context current on its thread first.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_void};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};

use libloading::Library;

use crate::device::lock;
use crate::error::{Error, Result};

type Handle = *mut c_void;

/// The driver's functions in the versions that 64-bit programs use.
struct Functions {
    init: unsafe extern "system" fn(u32) -> i32,
    error_name: unsafe extern "system" fn(i32, *mut *const c_char) -> i32,
    device: unsafe extern "system" fn(*mut i32, i32) -> i32,
    retain: unsafe extern "system" fn(*mut Handle, i32) -> i32,
    release: unsafe extern "system" fn(i32) -> i32,
    set_current: unsafe extern "system" fn(Handle) -> i32,
    register: unsafe extern "system" fn(Handle, usize, u32) -> i32,
    unregister: unsafe extern "system" fn(Handle) -> i32,
    create_stream: unsafe extern "system" fn(*mut Handle, u32) -> i32,
    destroy_stream: unsafe extern "system" fn(Handle) -> i32,
    synchronize_stream: unsafe extern "system" fn(Handle) -> i32,
    to_device: unsafe extern "system" fn(u64, *const c_void, usize, Handle) -> i32,
    to_host: unsafe extern "system" fn(*mut c_void, u64, usize, Handle) -> i32,
    on_device: unsafe extern "system" fn(u64, u64, usize, Handle) -> i32,
    create_event: unsafe extern "system" fn(*mut Handle, u32) -> i32,
    destroy_event: unsafe extern "system" fn(Handle) -> i32,
    record_event: unsafe extern "system" fn(Handle, Handle) -> i32,
    wait_for_event: unsafe extern "system" fn(Handle, Handle, u32) -> i32,
}

/// Does not wait for the default stream, nor that for it.
const STREAM_NON_BLOCKING: u32 = 1;
/// Tells that it has come, and not when.
const EVENT_DISABLE_TIMING: u32 = 2;

impl Functions {
    fn of(library: &Library) -> std::result::Result<Self, libloading::Error> {
        // SAFETY: the names and signatures are those of the driver's interface (cuda.h).
        unsafe {
            Ok(Self {
                init: *library.get("cuInit")?,
                error_name: *library.get("cuGetErrorName")?,
                device: *library.get("cuDeviceGet")?,
                retain: *library.get("cuDevicePrimaryCtxRetain")?,
                release: *library.get("cuDevicePrimaryCtxRelease_v2")?,
                set_current: *library.get("cuCtxSetCurrent")?,
                register: *library.get("cuMemHostRegister_v2")?,
                unregister: *library.get("cuMemHostUnregister")?,
                create_stream: *library.get("cuStreamCreate")?,
                destroy_stream: *library.get("cuStreamDestroy_v2")?,
                synchronize_stream: *library.get("cuStreamSynchronize")?,
                to_device: *library.get("cuMemcpyHtoDAsync_v2")?,
                to_host: *library.get("cuMemcpyDtoHAsync_v2")?,
                on_device: *library.get("cuMemcpyDtoDAsync_v2")?,
                create_event: *library.get("cuEventCreate")?,
                destroy_event: *library.get("cuEventDestroy_v2")?,
                record_event: *library.get("cuEventRecord")?,
                wait_for_event: *library.get("cuStreamWaitEvent")?,
            })
        }
    }

    fn check(&self, what: &str, status: i32) -> Result<()> {
        if status == 0 {
            return Ok(());
        }
        let mut name = std::ptr::null();
        // SAFETY: the driver leaves a string that lives as long as it, or null.
        let name = unsafe {
            (self.error_name)(status, &mut name);
            if name.is_null() { status.to_string() } else { CStr::from_ptr(name).to_string_lossy().into_owned() }
        };
        Err(Error::Device(format!("the CUDA driver failed {what}: {name}")))
    }
}

/// The primary context of a device.
pub struct Context {
    functions: Functions,
    device: i32,
    handle: Handle,
    pins: Mutex<Vec<Weak<Pin>>>,
    refusal: Mutex<Option<String>>,
    _library: Library,
}

// SAFETY: the driver may be called from any thread; a context can be current on several.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

/// Host memory that the device reads and writes by itself while this lives; other memory is copied once more, on the processor.
pub struct Pin {
    region: Range<usize>,
    context: Arc<Context>,
}

/// Name under which the system finds the driver.
pub fn driver_name() -> &'static Path {
    Path::new(if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" })
}

impl Context {
    pub fn open(driver: &Path, index: usize) -> Result<Arc<Self>> {
        let missing = |e: libloading::Error| Error::Device(format!("the CUDA driver cannot be loaded: {e}"));
        // SAFETY: the driver is made to be loaded by any program.
        let library = unsafe { Library::new(driver) }.map_err(missing)?;
        let functions = Functions::of(&library).map_err(missing)?;
        let (mut device, mut handle) = (0, std::ptr::null_mut());
        // SAFETY: the driver fills what it is given; the device is one that it has named.
        unsafe {
            functions.check("to start", (functions.init)(0))?;
            functions.check("to find the device", (functions.device)(&mut device, index as i32))?;
            functions.check("to open the device", (functions.retain)(&mut handle, device))?;
        }
        let (pins, refusal) = (Mutex::default(), Mutex::default());
        Ok(Arc::new(Self { functions, device, handle, pins, refusal, _library: library }))
    }

    /// Pins a region while what is returned lives, once for all who ask. That it cannot be costs speed alone, and is kept for `refusal`.
    pub fn pin(self: &Arc<Self>, region: Range<usize>) -> Option<Arc<Pin>> {
        let mut pins = lock(&self.pins);
        pins.retain(|pin| pin.strong_count() > 0);
        if let Some(pin) = pins.iter().filter_map(Weak::upgrade).find(|pin| pin.region == region) {
            return Some(pin);
        }
        let register = || {
            // SAFETY: the caller keeps the region mapped as long as the pin; pinning does not touch what is in it.
            let status = unsafe { (self.functions.register)(region.start as Handle, region.len(), 0) };
            self.functions.check("to pin host memory", status)
        };
        match self.enter().and_then(|()| register()) {
            Ok(()) => {
                let pin = Arc::new(Pin { region, context: self.clone() });
                pins.push(Arc::downgrade(&pin));
                Some(pin)
            }
            Err(error) => {
                lock(&self.refusal).get_or_insert(error.sentence().to_owned());
                None
            }
        }
    }

    pub fn pinned_bytes(&self) -> usize {
        lock(&self.pins).iter().filter_map(Weak::upgrade).map(|pin| pin.region.len()).sum()
    }

    /// Why host memory was first left unpinned.
    pub fn refusal(&self) -> Option<String> {
        lock(&self.refusal).clone()
    }

    pub fn stream(self: &Arc<Self>) -> Result<Stream> {
        self.enter()?;
        let mut stream = Stream { handle: std::ptr::null_mut(), event: std::ptr::null_mut(), context: self.clone() };
        // SAFETY: the driver fills the handles.
        unsafe {
            self.functions.check("to make a stream", (self.functions.create_stream)(&mut stream.handle, STREAM_NON_BLOCKING))?;
            self.functions.check("to make an event", (self.functions.create_event)(&mut stream.event, EVENT_DISABLE_TIMING))?;
        }
        Ok(stream)
    }

    fn enter(&self) -> Result<()> {
        // SAFETY: the context is retained as long as this lives.
        self.functions.check("to enter its context", unsafe { (self.functions.set_current)(self.handle) })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: retained once in `open`; pins and streams hold on to this.
        unsafe { (self.functions.release)(self.device) };
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let _ = self.context.enter();
        // SAFETY: registered once; who used it has waited for its copies.
        unsafe { (self.context.functions.unregister)(self.region.start as Handle) };
    }
}

/// Copies that run one after the other, beside everything else.
pub struct Stream {
    handle: Handle,
    /// Of `follow`.
    event: Handle,
    context: Arc<Context>,
}

// SAFETY: a stream may be used from any thread.
unsafe impl Send for Stream {}
// SAFETY: the driver's functions may be called for one stream or event from several threads.
unsafe impl Sync for Stream {}

impl Stream {
    /// # Safety
    /// Until `wait`, the `bytes` at `host` are there and nobody writes them, and nobody uses those at `device`, an address of the device.
    pub unsafe fn to_device(&self, device: u64, host: usize, bytes: usize) -> Result<()> {
        self.context.enter()?;
        let functions = &self.context.functions;
        // SAFETY: as promised by the caller.
        functions.check("to copy to the device", unsafe { (functions.to_device)(device, host as Handle, bytes, self.handle) })
    }

    /// # Safety
    /// Until `wait`, the `bytes` at `device`, an address of the device, are there and nobody writes them, and nobody uses those at `host`.
    pub unsafe fn to_host(&self, host: usize, device: u64, bytes: usize) -> Result<()> {
        self.context.enter()?;
        let functions = &self.context.functions;
        // SAFETY: as promised by the caller.
        functions.check("to copy to the host", unsafe { (functions.to_host)(host as Handle, device, bytes, self.handle) })
    }

    /// # Safety
    /// Until `wait`, the `bytes` at both addresses of the device are there, apart from each other, and used by nobody.
    pub unsafe fn on_device(&self, to: u64, from: u64, bytes: usize) -> Result<()> {
        self.context.enter()?;
        let functions = &self.context.functions;
        // SAFETY: as promised by the caller.
        functions.check("to copy on the device", unsafe { (functions.on_device)(to, from, bytes, self.handle) })
    }

    /// What is begun here from now on waits for all that `other` has been given so far. One call at a time.
    ///
    /// # Safety
    /// `other` is a stream of this context that lives, or null, which is its default stream.
    pub unsafe fn follow(&self, other: *mut c_void) -> Result<()> {
        self.context.enter()?;
        let functions = &self.context.functions;
        // SAFETY: as promised by the caller. A wait is for what the event recorded last when the wait is given, so that one event does for all.
        unsafe {
            functions.check("to record an event", (functions.record_event)(self.event, other))?;
            functions.check("to wait for an event", (functions.wait_for_event)(self.handle, self.event, 0))
        }
    }

    /// Returns when all copies are done.
    pub fn wait(&self) -> Result<()> {
        self.context.enter()?;
        let functions = &self.context.functions;
        // SAFETY: the stream lives.
        functions.check("in a copy", unsafe { (functions.synchronize_stream)(self.handle) })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.handle.is_null() {
            return;
        }
        let _ = self.wait();
        // SAFETY: made once, and nothing runs on it any more.
        unsafe {
            (self.context.functions.destroy_stream)(self.handle);
            if !self.event.is_null() {
                (self.context.functions.destroy_event)(self.event);
            }
        }
    }
}
