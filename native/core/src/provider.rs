//! Execution providers with memory of their own: how a session is put on one, and the buffers that it keeps there.
//!
//! Nothing falls back to the CPU: when a session is built, the runtime tells where each node went, and operators that the provider does
//! not have are an error that names them. Options are set on purpose where the runtime's defaults trade exactness for speed or memory.
//! Copies tensor by tensor go through the runtime (CopyTensors), which knows the memory of WebGPU by itself and that of CUDA once its
//! provider library is registered; those in large pieces are in large.rs.

#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_void};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};

use ort::AsPointer;
use ort::environment::Environment;
use ort::ep::cuda::{CUDA, ConvAlgorithmSearch};
use ort::ep::webgpu::{PreferredLayout, WebGPU};
use ort::ep::{ArbitrarilyConfigurableExecutionProvider, ArenaExtendStrategy, ExecutionProvider, ExecutionProviderDispatch};
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::{Tensor, TensorElementType};

use crate::cudnn;
use crate::device::lock;
use crate::error::{Error, Result};
use crate::publish::{self, Publisher};
use crate::spec::DeviceKind;

/// Where the sessions of a device run.
#[derive(Debug, Clone)]
pub struct Provider {
    kind: DeviceKind,
    index: i32,
    custom_operators: bool,
}

impl Provider {
    /// Checks that the provider is there. `library` is the runtime's, beside which that of CUDA lies; `preload` are the libraries that the
    /// provider asks for, those first that others need.
    pub fn open(environment: &Environment, library: &Path, kind: DeviceKind, index: usize, preload: &[PathBuf]) -> Result<Self> {
        let index = i32::try_from(index).map_err(|_| Error::Internal(format!("device index {index}")))?;
        match kind {
            DeviceKind::Cpu => {}
            DeviceKind::WebGpu => {
                if !WebGPU::is_available().unwrap_or(false) {
                    return Err(Error::Device("ONNX Runtime has no WebGPU provider on this platform".into()));
                }
            }
            DeviceKind::Cuda => register_cuda(environment, &library.with_file_name(cuda_library_name()), preload)?,
        }
        Ok(Self { kind, index, custom_operators: false })
    }

    /// Whether graphs may have the operators that CUDA devices run with cuDNN (cudnn/), and those that copy (publish.rs).
    pub fn with_custom_operators(self, custom_operators: bool) -> Self {
        Self { custom_operators, ..self }
    }

    /// Whether sessions read and write host memory in place.
    pub fn is_host(&self) -> bool {
        self.kind == DeviceKind::Cpu
    }

    /// Builds a session of a graph on the provider. Fails where nodes would be left to the CPU provider, with the operators named.
    pub fn build(&self, builder: SessionBuilder, onnx: &[u8]) -> Result<Session> {
        self.build_publishing(builder, onnx, &Arc::default())
    }

    /// Builds a session whose gradients go through `publisher`.
    pub fn build_publishing(&self, builder: SessionBuilder, onnx: &[u8], publisher: &Arc<Publisher>) -> Result<Session> {
        let session =
            self.apply(builder, publisher).and_then(|mut builder| builder.commit_from_memory(onnx)).map_err(|e| self.refused(&e))?;
        self.check_placement(&session)?;
        Ok(session)
    }

    /// Sessions share the environment's allocators, but for CUDA: what its library registers there is the driver's own allocation, which
    /// waits for the device each time, and would take the place of the session's arena.
    fn apply(&self, builder: SessionBuilder, publisher: &Arc<Publisher>) -> ort::Result<SessionBuilder> {
        let builder = if self.kind == DeviceKind::Cuda { builder } else { builder.with_env_allocators()? };
        let builder = match self.custom_operators && self.kind != DeviceKind::WebGpu {
            true => builder.with_operators(publish::domain(self.ep_name(), publisher.clone())?)?,
            false => builder,
        };
        let Some(provider) = self.dispatch() else { return Ok(builder) };
        let builder = builder.with_execution_providers([provider])?.with_optimization_level(GraphOptimizationLevel::All)?;
        let builder = builder.with_config_entry("session.record_ep_graph_assignment_info", "1")?;
        if !self.custom_operators || self.kind != DeviceKind::Cuda {
            return Ok(builder);
        }
        Ok(builder.with_operators(cudnn::domain(CUDA::NAME)?)?)
    }

    fn refused(&self, error: &ort::Error) -> Error {
        let text = error.to_string();
        if self.kind == DeviceKind::WebGpu && text.contains("WebGPU adapter") {
            return Error::Device("there is no WebGPU adapter: a driver for Vulkan, Direct3D 12 or Metal is needed".into());
        }
        Error::Device(format!("ONNX Runtime refuses the graph: {text}"))
    }

    fn dispatch(&self) -> Option<ExecutionProviderDispatch> {
        match self.kind {
            DeviceKind::Cpu => None,
            DeviceKind::WebGpu => Some(web_gpu().build().error_on_failure()),
            DeviceKind::Cuda => Some(cuda(self.index).build().error_on_failure()),
        }
    }

    /// Memory of the device, or of the host for the CPU.
    pub fn memory(&self) -> ort::Result<MemoryInfo<'static>> {
        let (device, index) = match self.kind {
            DeviceKind::Cpu => (AllocationDevice::CPU, 0),
            DeviceKind::WebGpu => (AllocationDevice::WEBGPU_BUFFER, 0),
            DeviceKind::Cuda => (AllocationDevice::CUDA, self.index),
        };
        MemoryInfo::new(device, index, AllocatorType::Device, MemoryType::Default)
    }

    fn check_placement(&self, session: &Session) -> Result<()> {
        if self.is_host() {
            return Ok(());
        }
        let left = host_operators(session).map_err(|e| Error::Device(format!("ONNX Runtime does not tell where nodes run: {e}")))?;
        if left.is_empty() {
            return Ok(());
        }
        let named: Vec<String> = left.iter().map(|(operator, count)| format!("{count} x {operator}")).collect();
        Err(Error::Device(format!("{} has no kernel for {}; nothing is run on the CPU in its place", self.name(), named.join(", "))))
    }

    fn ep_name(&self) -> &'static str {
        match self.kind {
            DeviceKind::Cpu => "CPUExecutionProvider",
            DeviceKind::WebGpu => WebGPU::NAME,
            DeviceKind::Cuda => CUDA::NAME,
        }
    }

    fn name(&self) -> &'static str {
        match self.kind {
            DeviceKind::Cpu => "the CPU",
            DeviceKind::WebGpu => "WebGPU",
            DeviceKind::Cuda => "CUDA",
        }
    }
}

fn register_cuda(environment: &Environment, path: &Path, preload: &[PathBuf]) -> Result<()> {
    if !path.exists() {
        let name = cuda_library_name();
        return Err(Error::Device(format!("CUDA devices need {name}, which \"npm run setup\" fetches where there is a CUDA driver")));
    }
    let mut registered = lock(&CUDA_REGISTERED);
    if *registered {
        return Ok(());
    }
    preload.iter().try_for_each(|library| load_for_all(library))?;
    let failed = |e| Error::Device(format!("the CUDA provider of ONNX Runtime cannot be loaded: {e}"));
    environment.register_ep_library("CUDA", path).map_err(failed)?;
    *registered = true;
    Ok(())
}

/// The runtime takes a library once. Its list of devices does not tell: it has those alone that it finds among the system's hardware.
static CUDA_REGISTERED: Mutex<bool> = Mutex::new(false);

/// Loads a library for whatever asks for its name from now on, and keeps it.
fn load_for_all(path: &Path) -> Result<()> {
    #[cfg(unix)]
    // SAFETY: what a library does when it is loaded is trusted as much as that of the provider, which would load it.
    let loaded = unsafe {
        use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
        Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL)
    };
    #[cfg(windows)]
    // SAFETY: as above.
    let loaded = unsafe { libloading::os::windows::Library::new(path) };
    let library = loaded.map_err(|e| {
        let reason = std::error::Error::source(&e).map_or_else(|| e.to_string(), ToString::to_string);
        Error::Device(format!("{}, which CUDA devices need, cannot be loaded: {reason}", path.display()))
    })?;
    std::mem::forget(library);
    Ok(())
}

/// Runs a graph (`y` = a number times `x`, both [1]) on a device, to see whether it works; its name where the system tells it.
pub fn probe(
    environment: &Environment,
    library: &Path,
    kind: DeviceKind,
    index: usize,
    onnx: &[u8],
    preload: &[PathBuf],
) -> Result<Option<String>> {
    let provider = Provider::open(environment, library, kind, index, preload)?;
    let failed = |e: ort::Error| Error::Device(format!("{} does not run a graph: {e}", provider.name()));
    let mut session = provider.build(Session::builder(environment).map_err(failed)?, onnx)?;
    let x = Tensor::from_array(([1usize], vec![1.0f32])).map_err(failed)?;
    let outputs = session.run(ort::inputs!["x" => x]).map_err(failed)?;
    outputs["y"].try_extract_tensor::<f32>().map_err(failed)?;
    let own = |device: &ort::device::Device| device.ep().is_ok_and(|name| name == provider.ep_name());
    let vendor = environment.devices().find(own).and_then(|device| device.hardware_device().vendor().map(ToString::to_string).ok());
    Ok(vendor.filter(|vendor| !vendor.is_empty()))
}

/// The fastest adapter that there is; `enableInt64`: labels and tokens are int64. NCHW: weights are inputs, so that another layout would
/// transpose them in every run.
fn web_gpu() -> WebGPU {
    WebGPU::default()
        .with_preferred_layout(PreferredLayout::NCHW)
        .with_arbitrary_config("enableInt64", "1")
        .with_arbitrary_config("enableGraphCapture", "0")
        .with_arbitrary_config("powerPreference", "high-performance")
}

/// Full float32 (TF32 keeps 10 bits of mantissa), algorithms chosen without measuring (so that runs repeat), an arena that holds what was asked for.
fn cuda(index: i32) -> CUDA {
    CUDA::default()
        .with_device_id(index)
        .with_tf32(false)
        .with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic)
        .with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested)
}

fn cuda_library_name() -> &'static str {
    if cfg!(windows) { "onnxruntime_providers_cuda.dll" } else { "libonnxruntime_providers_cuda.so" }
}

/// Nodes that are there for the order of others alone, and compute on the shapes of tensors, begin so (src-main/graph/ops/ordering.ts).
const ORDER_SCOPE: &str = "order:";

/// Operators of the nodes that the session runs on the CPU provider though it should not, with how many there are of each.
fn host_operators(session: &Session) -> ort::Result<BTreeMap<String, usize>> {
    let api = ort::api();
    let mut operators = BTreeMap::new();
    // SAFETY: what the runtime hands out lives as long as the session, and the lengths are those of its arrays.
    unsafe {
        let (mut parts, mut count) = (std::ptr::null(), 0);
        ort::Error::result_from_status((api.Session_GetEpGraphAssignmentInfo)(session.ptr(), &mut parts, &mut count))?;
        for &part in array(parts, count) {
            let mut name: *const c_char = std::ptr::null();
            ort::Error::result_from_status((api.EpAssignedSubgraph_GetEpName)(part, &mut name))?;
            if text(name) != "CPUExecutionProvider" {
                continue;
            }
            let (mut nodes, mut count) = (std::ptr::null(), 0);
            ort::Error::result_from_status((api.EpAssignedSubgraph_GetNodes)(part, &mut nodes, &mut count))?;
            for &node in array(nodes, count) {
                let (mut name, mut operator): (*const c_char, *const c_char) = (std::ptr::null(), std::ptr::null());
                ort::Error::result_from_status((api.EpAssignedNode_GetName)(node, &mut name))?;
                if text(name).starts_with(ORDER_SCOPE) {
                    continue;
                }
                ort::Error::result_from_status((api.EpAssignedNode_GetOperatorType)(node, &mut operator))?;
                *operators.entry(text(operator)).or_insert(0) += 1;
            }
        }
    }
    Ok(operators)
}

/// # Safety
/// `items` has `count` entries, or is null.
unsafe fn array<'a, T>(items: *const T, count: usize) -> &'a [T] {
    // SAFETY: as promised by the caller.
    if items.is_null() { &[] } else { unsafe { std::slice::from_raw_parts(items, count) } }
}

/// # Safety
/// `name` is a C string or null.
unsafe fn text(name: *const c_char) -> String {
    // SAFETY: as promised by the caller.
    if name.is_null() { String::new() } else { unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned() }
}

/// What a bound tensor is for, which says when it is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// An input that changes with every run.
    Batch,
    /// An input that is what the run before has left in the slab, or that the host has put there.
    Carried,
    /// An input that changes when the store does.
    State,
    /// An output that is read after every run.
    Result,
    /// An output in the worker's slab.
    Slab,
    /// An output that nobody reads.
    Unread,
}

impl Role {
    pub fn is_output(self) -> bool {
        matches!(self, Self::Result | Self::Slab | Self::Unread)
    }
}

/// A tensor of the runtime over memory that somebody else owns, or over a buffer of a device.
pub struct TensorValue(NonNull<ort::sys::OrtValue>);

impl TensorValue {
    /// # Safety
    /// `data` has `bytes` bytes, enough for the shape, for as long as the tensor or a binding of it lives.
    pub unsafe fn over(data: *mut u8, bytes: usize, shape: &[i64], kind: TensorElementType) -> ort::Result<Self> {
        let info = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::Default)?;
        // SAFETY: as promised by the caller.
        unsafe { Self::at(&info, data, bytes, shape, kind) }
    }

    /// # Safety
    /// As for `over`; `data` is an address of the memory that `info` describes.
    pub unsafe fn at(info: &MemoryInfo, data: *mut u8, bytes: usize, shape: &[i64], kind: TensorElementType) -> ort::Result<Self> {
        let create = ort::api().CreateTensorWithDataAsOrtValue;
        let mut value = std::ptr::null_mut();
        // SAFETY: as promised by the caller; the runtime copies the shape.
        let status = unsafe { create(info.ptr(), data.cast(), bytes, shape.as_ptr(), shape.len(), kind.into(), &mut value) };
        Self::created(status, value)
    }

    pub fn on(allocator: &Allocator, shape: &[i64], kind: TensorElementType) -> ort::Result<Self> {
        let mut value = std::ptr::null_mut();
        let create = ort::api().CreateTensorAsOrtValue;
        // SAFETY: the allocator lives during the call; the runtime copies the shape.
        let status = unsafe { create(allocator.ptr().cast_mut(), shape.as_ptr(), shape.len(), kind.into(), &mut value) };
        Self::created(status, value)
    }

    fn created(status: ort::sys::OrtStatusPtr, value: *mut ort::sys::OrtValue) -> ort::Result<Self> {
        // SAFETY: the status is the one that the call returned, used once.
        unsafe { ort::Error::result_from_status(status)? };
        NonNull::new(value).map(Self).ok_or_else(|| ort::Error::new("no tensor was made"))
    }

    pub fn pointer(&self) -> *const ort::sys::OrtValue {
        self.0.as_ptr()
    }

    /// Where its data lies, in the memory that it is in.
    pub fn address(&self) -> ort::Result<*mut c_void> {
        let mut data = std::ptr::null_mut();
        // SAFETY: the value is a tensor.
        unsafe { ort::Error::result_from_status((ort::api().GetTensorMutableData)(self.0.as_ptr(), &mut data))? };
        Ok(data)
    }
}

// SAFETY: the runtime counts references to values atomically; what they describe is used by one thread at a time.
unsafe impl Send for TensorValue {}

impl Drop for TensorValue {
    fn drop(&mut self) {
        // SAFETY: made here and released once.
        unsafe { (ort::api().ReleaseValue)(self.0.as_ptr()) }
    }
}

/// The device's side of everything that a session has bound. To be dropped before the session.
pub struct DeviceBuffers {
    pairs: Vec<Pair>,
    allocator: Allocator,
    environment: Environment,
}

struct Pair {
    role: Role,
    host: TensorValue,
    device: TensorValue,
}

impl DeviceBuffers {
    /// Buffers of a session, or none where it works on host memory.
    pub fn of(provider: &Provider, environment: &Environment, session: &Session) -> ort::Result<Option<Self>> {
        if provider.is_host() {
            return Ok(None);
        }
        let allocator = Allocator::new(session, provider.memory()?)?;
        Ok(Some(Self { pairs: Vec::new(), allocator, environment: environment.clone() }))
    }

    /// A buffer for a host tensor; it is what the session binds.
    pub fn add(&mut self, role: Role, host: TensorValue, shape: &[i64], kind: TensorElementType) -> ort::Result<&TensorValue> {
        let device = TensorValue::on(&self.allocator, shape, kind)?;
        self.pairs.push(Pair { role, host, device });
        self.pairs.last().map(|pair| &pair.device).ok_or_else(|| ort::Error::new("no buffer was made"))
    }

    /// What the allocator has counted, by the runtime's names.
    pub fn statistics(&self) -> ort::Result<BTreeMap<String, f64>> {
        statistics(&self.allocator)
    }

    /// Copies inputs to the device, or outputs to the host.
    pub fn copy(&self, role: Role) -> ort::Result<()> {
        let pairs = || self.pairs.iter().filter(|pair| pair.role == role);
        let (host, mut device): (Vec<_>, Vec<_>) = pairs().map(|pair| (pair.host.pointer(), pair.device.pointer())).unzip();
        let (from, mut to) = if role.is_output() { (device, host) } else { (host, std::mem::take(&mut device)) };
        if from.is_empty() {
            return Ok(());
        }
        // SAFETY: as many sources as targets, all alive, of pairwise equal shapes; no stream: the call returns when the copies are done.
        unsafe {
            let copy = ort::api().CopyTensors;
            let environment = self.environment.ptr().cast_mut();
            ort::Error::result_from_status(copy(environment, from.as_ptr(), to.as_mut_ptr(), std::ptr::null_mut(), from.len()))
        }
    }
}

/// Counts of an allocator of the runtime, by its names (`InUse`, `MaxInUse`, ...); nothing where it does not count.
pub fn statistics(allocator: &Allocator) -> ort::Result<BTreeMap<String, f64>> {
    let api = ort::api();
    let mut pairs = std::ptr::null_mut();
    // SAFETY: the runtime makes the pairs, whose arrays are read before they are released once; releasing none does nothing.
    unsafe {
        ort::Error::result_from_status((api.AllocatorGetStats)(allocator.ptr(), &mut pairs))?;
        let (mut keys, mut values, mut count) = (std::ptr::null(), std::ptr::null(), 0);
        (api.GetKeyValuePairs)(pairs, &mut keys, &mut values, &mut count);
        let entries = array(keys, count).iter().zip(array(values, count));
        let counted = entries.filter_map(|(&key, &value)| Some((text(key), text(value).parse().ok()?))).collect();
        (api.ReleaseKeyValuePairs)(pairs);
        Ok(counted)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::runtime;
    use crate::testing::{library::runtime_library, onnx};

    #[test]
    fn an_arena_of_the_runtime_tells_what_is_in_use() {
        let mut graph = onnx::Graph::default();
        graph.input("x", onnx::FLOAT, &[1000]);
        graph.output("y", onnx::FLOAT, &[1000]);
        graph.node("Neg", &["x"], "y", &[]);
        let environment = runtime::environment(&runtime_library()).unwrap();
        let session = Session::builder(&environment).unwrap().commit_from_memory(&graph.finish()).unwrap();
        let memory = || MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Arena, MemoryType::Default).unwrap();
        let allocator = Allocator::new(&session, memory()).unwrap();
        let before = statistics(&allocator).unwrap();
        let tensor = Tensor::<f32>::new(&allocator, [1000usize]).unwrap();
        let after = statistics(&allocator).unwrap();
        assert_eq!(after["InUse"] - before["InUse"], 4096.0, "{before:?} {after:?}");
        drop(tensor);
        assert_eq!(statistics(&allocator).unwrap()["InUse"], before["InUse"]);
        assert!(statistics(&Allocator::default()).unwrap().is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn a_library_that_cannot_be_loaded_is_named_with_the_reason_of_the_loader() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libcudart.so.13");
        std::fs::write(&path, "not a library").unwrap();
        let error = load_for_all(&path).unwrap_err().to_string();
        let begins = format!("device: {}, which CUDA devices need, cannot be loaded: ", path.display());
        assert!(error.starts_with(&begins) && error.len() > begins.len() + 10, "{error}");
    }
}
