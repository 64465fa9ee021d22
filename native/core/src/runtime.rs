//! ONNX Runtime sessions bound to the store.
//!
//! Everything is bound once, by address: tensors of the store where the graph wants all of their rows or contiguous ones, gradients in the
//! worker's slab, and private buffers for the rest (samples, labels, gathered rows, losses, logits, statistics of a batch). Sessions of one
//! graph share what the runtime has of it, and differ in what they bind. A run is:
//! refresh what is gathered, run, read the private outputs. A device with memory of its own differs in what it refreshes before a run
//! and copies back after it, and in nothing else; large pieces (large.rs) are copied while the device's thread goes on.
//! The runtime comes from a library that is loaded by path; one environment lives as long as the process.

#![allow(unsafe_code)]

use std::alloc::{Layout as Allocation, alloc_zeroed, dealloc, handle_alloc_error};
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::ops::Range;
use std::path::Path;
use std::ptr::NonNull;
#[cfg(unix)]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use ort::AsPointer;
use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{IoBinding, RunOptions};
use ort::value::{TensorElementType, ValueType};

#[cfg(unix)]
use crate::arena::Arena;
use crate::cuda::Context;
use crate::device::lock;
use crate::draws::{self, DrawKey};
use crate::error::{Error, Result, ensure};
use crate::large::{LargeBuffers, Port};
use crate::layout::{Tensor, TensorKind};
use crate::loader::{Batch, Samples};
use crate::process;
use crate::provider::{DeviceBuffers, Provider, Role, TensorValue};
use crate::publish::Publisher;
use crate::spec::{DrawSpec, InputSource, OutputTarget, SessionInput, SessionOutput, SessionSpec};
use crate::store::mapping::PAGE;
use crate::store::{Area, Store};

/// On the CPU the runtime takes the graph as it is: what it would do, the lowering has done, so that the graph whose memory was planned
/// (src-main/graph/liveness.ts) is the one that runs, in the order that was planned.
const OPTIMIZATION_LEVEL: GraphOptimizationLevel = GraphOptimizationLevel::Disable;

/// On other devices merging Reshapes would drop those that make a node wait (src-main/graph/ops/ordering.ts).
const DISABLED_OPTIMIZERS: &str = "ReshapeFusion";

static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);
#[cfg(unix)]
static ARENA: OnceLock<&Arena> = OnceLock::new();

/// The process's environment, made at the first call from the library at `path`.
pub fn environment(path: &Path) -> Result<Environment> {
    let mut slot = ENVIRONMENT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(environment) = &*slot {
        return Ok(environment.clone());
    }
    let missing = |e: String| unloadable(path, &e);
    let builder = ort::init_from(path).map_err(|e| missing(e.to_string()))?;
    let environment = builder.with_name("sdp").with_telemetry(false).build().map_err(|e| missing(e.to_string()))?;
    environment.set_log_level(LogLevel::Error);
    #[cfg(unix)]
    let _ = ARENA.set(Arena::register(&environment)?);
    Ok(slot.insert(environment).clone())
}

/// Why the library cannot be loaded, and what to do: where it is there and memory is limited, setting up again does not help.
fn unloadable(path: &Path, why: &str) -> Error {
    let limit = process::memory_limit();
    let limited = path.is_file() && !limit.is_empty();
    let remedy = if limited { limit } else { "; run \"npm run setup\"".into() };
    Error::Device(format!("the ONNX Runtime library cannot be loaded ({why}){remedy}"))
}

/// Largest memory that intermediates have taken since the last `trim`, in bytes; 0 where the sessions have arenas of the runtime's own.
pub fn arena_peak_bytes() -> u64 {
    #[cfg(unix)]
    return ARENA.get().map_or(0, |arena| arena.peak_bytes());
    #[cfg(not(unix))]
    0
}

/// Gives memory that no session needs any more back to the system.
pub fn trim() {
    #[cfg(unix)]
    if let Some(arena) = ARENA.get() {
        arena.trim();
    }
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            safe fn malloc_trim(keep: usize) -> i32;
        }
        malloc_trim(0);
    }
}

/// Where the session has what it has bound.
enum Buffers {
    /// In host memory, in place.
    Host,
    /// On a device, copied tensor by tensor.
    Each(DeviceBuffers),
    /// On a device, copied in large pieces while the device's thread goes on.
    Large(Box<LargeBuffers>),
}

/// What the sessions of a device have in common.
pub struct Surroundings<'a> {
    pub environment: &'a Environment,
    pub provider: &'a Provider,
    /// For copies in large pieces.
    pub driver: Option<&'a Arc<Context>>,
    pub store: &'a Arc<Store>,
    pub options: &'a Arc<RunOptions>,
    pub threads: usize,
}

/// A graph as the runtime has it.
pub struct Graph {
    inner: Mutex<ort::session::Session>,
    publisher: Arc<Publisher>,
    /// Whether the runtime writes a profile.
    profiled: AtomicBool,
}

impl Graph {
    /// `profile`: how the path of the runtime's profile begins, where one is wanted.
    pub fn new(of: &Surroundings, profile: Option<&Path>, onnx: &[u8]) -> Result<Self> {
        let publisher = Arc::<Publisher>::default();
        let builder = builder(of.environment, of.threads, profile).map_err(runtime_error)?;
        let inner = Mutex::new(of.provider.build_publishing(builder, onnx, &publisher)?);
        Ok(Self { inner, publisher, profiled: AtomicBool::new(profile.is_some()) })
    }

    fn inner(&self) -> MutexGuard<'_, ort::session::Session> {
        lock(&self.inner)
    }

    /// Ends the profile and gives the path of its file; nothing where there is none, or none any more.
    pub fn end_profile(&self) -> Result<Option<String>> {
        let profiled = self.profiled.swap(false, Ordering::Relaxed);
        profiled.then(|| self.inner().end_profiling()).transpose().map_err(runtime_error)
    }
}

/// A graph with everything bound.
pub struct Session {
    pub worker: Option<usize>,
    pub batch: usize,
    binding: IoBinding,
    buffers: Buffers,
    /// Whether parameters or statistics have changed since the last run.
    stale: bool,
    /// Whether the device holds what the run before has left for the next.
    carries: bool,
    /// Time in copies between host and device since it was last asked for.
    copy_ms: f64,
    graph: Arc<Graph>,
    options: Arc<RunOptions>,
    gathers: Vec<Gather>,
    /// What is gathered, one tensor after the other.
    gathered: Private,
    carried: Vec<Carried>,
    draws: Vec<Draw>,
    input: Option<Private>,
    label: Option<Private>,
    loss: Option<Private>,
    logits: Option<Private>,
    /// Statistics of the last batch, laid out as the buffers of the store.
    statistics: Option<Private>,
    /// What nobody reads.
    unread: Vec<Private>,
    store: Arc<Store>,
}

/// Rows that are copied together before each run.
struct Gather {
    tensor: usize,
    area: Area,
    start: usize,
    rows: Vec<usize>,
    /// Part of `gathered`.
    target: Range<usize>,
}

/// Part of the worker's slab that the graph reads and writes: what a micro-batch leaves there goes into the next.
struct Carried {
    tensor: usize,
    rows: Vec<usize>,
    slab: Range<usize>,
}

/// Random factors, drawn before each run.
struct Draw {
    spec: DrawSpec,
    /// Scalars per sample.
    size: usize,
    target: Private,
}

impl Session {
    /// `graph`: that of the spec.
    pub fn new(of: &Surroundings, graph: Arc<Graph>, spec: &SessionSpec) -> Result<Self> {
        let Surroundings { environment, provider, store, .. } = *of;
        let inner = graph.inner();
        let buffers = match (of.driver, DeviceBuffers::of(provider, environment, &inner).map_err(runtime_error)?) {
            (Some(driver), _) => Buffers::Large(Box::new(LargeBuffers::of(driver, provider, &inner, graph.publisher.clone())?)),
            (None, Some(each)) => Buffers::Each(each),
            (None, None) => Buffers::Host,
        };
        let binding = inner.create_binding().map_err(runtime_error)?;
        drop(inner);
        let mut session = Self {
            worker: spec.worker,
            batch: spec.batch,
            binding,
            buffers,
            stale: true,
            carries: false,
            copy_ms: 0.0,
            graph,
            options: of.options.clone(),
            gathers: Vec::new(),
            gathered: Private::new(spec.inputs.iter().map(gathered_size).sum(), TensorElementType::Float32)?,
            carried: Vec::new(),
            draws: Vec::new(),
            input: None,
            label: None,
            loss: None,
            logits: None,
            statistics: None,
            unread: Vec::new(),
            store: store.clone(),
        };
        spec.inputs.iter().try_for_each(|input| session.bind_input(input))?;
        spec.outputs.iter().try_for_each(|output| session.bind_output(output))?;
        session.place()?;
        session.check_ports(spec)?;
        Ok(session)
    }

    /// Makes the slab ready for the first micro-batch of a step: no gradients yet, and the running statistics of the store.
    pub fn begin_step(&mut self) {
        self.carries = false;
        for Carried { tensor, rows, slab } in &self.carried {
            let tensor = &self.store.layout().tensors[*tensor];
            let target = self.store.write(Area::Slab(self.worker.unwrap_or(0)), slab.clone());
            match tensor.kind {
                TensorKind::Parameter => target.fill(0.0),
                TensorKind::Buffer => copy_rows(&self.store, Area::Values, tensor.offset, tensor, rows, target),
            }
        }
    }

    /// Makes sums over `count` micro-batches means.
    pub fn end_step(&mut self, count: usize) {
        for Carried { tensor, slab, .. } in &self.carried {
            if self.store.layout().tensors[*tensor].kind == TensorKind::Parameter {
                let gradient = self.store.write(Area::Slab(self.worker.unwrap_or(0)), slab.clone());
                gradient.iter_mut().for_each(|g| *g /= count as f32);
            }
        }
    }

    /// Whether gradients are added to what is in the slab.
    pub fn accumulates(&self) -> bool {
        !self.carried.is_empty()
    }

    /// Draws the random factors of a micro-batch that starts with sample `first` of the worker's step.
    pub fn draw(&mut self, seed: u64, step: u64, first: usize) {
        let worker = self.worker.unwrap_or(0);
        for Draw { spec, size, target } in &mut self.draws {
            draws::draw(DrawKey { seed, step, worker, index: spec.index }, spec.drop, first, *size, target.floats_mut());
        }
    }

    /// Copies a micro-batch in and runs the graph; the results are there.
    pub fn run(&mut self, batch: &Batch) -> Result<()> {
        self.launch(batch, true)?;
        self.wait()
    }

    /// Copies a micro-batch in and runs the graph. The results may still be on their way to the host until `wait`; what goes to the slab
    /// need not be there before the last micro-batch of a step.
    pub fn launch(&mut self, batch: &Batch, is_last: bool) -> Result<()> {
        match (&mut self.input, &batch.samples) {
            (None, _) => {}
            (Some(input), Samples::F32(samples)) => input.fill(samples)?,
            (Some(input), Samples::I64(samples)) => input.fill(samples)?,
        }
        if let Some(label) = &mut self.label {
            if batch.shares.is_empty() { label.fill(&batch.labels) } else { label.fill(&batch.shares) }?;
        }
        self.refresh()?;
        self.copy(Role::Batch)?;
        self.carry()?;
        self.wait()?;
        if let Buffers::Large(buffers) = &mut self.buffers {
            buffers.begin_run(is_last);
        }
        let ran = self.graph.inner().run_binding_with_options(&self.binding, &self.options).map(drop);
        ran.map_err(|e| match e.to_string().contains("terminate flag") {
            true => Error::Cancelled("the device was closed".into()),
            false => runtime_error(e),
        })?;
        self.copy(Role::Result)?;
        self.carries = matches!(self.buffers, Buffers::Large(_));
        if is_last || !self.carries { self.copy(Role::Slab) } else { Ok(()) }
    }

    /// Brings what the micro-batch before has left, or the host for the first, to where the next run reads it.
    fn carry(&mut self) -> Result<()> {
        match &mut self.buffers {
            Buffers::Large(buffers) if self.carries => buffers.carry(),
            _ => self.copy(Role::Carried),
        }
    }

    /// Waits for copies that are on their way.
    pub fn wait(&mut self) -> Result<()> {
        let Buffers::Large(buffers) = &mut self.buffers else { return Ok(()) };
        let start = Instant::now();
        buffers.wait()?;
        self.copy_ms += start.elapsed().as_secs_f64() * 1000.0;
        Ok(())
    }

    /// Begins to bring the changed parameters to the device, where that goes on beside other work. They do not change until the next run.
    pub fn prefetch(&mut self) -> Result<()> {
        if matches!(self.buffers, Buffers::Large(_)) { self.refresh() } else { Ok(()) }
    }

    /// Time that running has spent in copies between host and device since the last call, in milliseconds.
    pub fn take_copy_ms(&mut self) -> f64 {
        std::mem::take(&mut self.copy_ms)
    }

    /// What the runtime counts of the memory that this session's graph has on its device; nothing where that is the host.
    pub fn allocator_statistics(&self) -> Result<BTreeMap<String, f64>> {
        match &self.buffers {
            Buffers::Host => Ok(BTreeMap::new()),
            Buffers::Each(buffers) => buffers.statistics().map_err(runtime_error),
            Buffers::Large(buffers) => buffers.statistics().map_err(runtime_error),
        }
    }

    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// Bytes of the rows that are copied together before runs.
    pub fn gathered_bytes(&self) -> u64 {
        4 * self.gathered.len as u64
    }

    /// Parameters or statistics of the store have changed.
    pub fn invalidate(&mut self) {
        self.stale = true;
    }

    /// Brings parameters and statistics that have changed to where the next run reads them.
    fn refresh(&mut self) -> Result<()> {
        if !self.stale {
            return Ok(());
        }
        self.wait()?;
        self.gathers.iter().for_each(|gather| gather.run(&self.store, &mut self.gathered));
        self.copy(Role::State)?;
        self.stale = false;
        Ok(())
    }

    /// Copies inputs to the device or outputs to the host, or begins to.
    fn copy(&mut self, role: Role) -> Result<()> {
        let start = Instant::now();
        match &mut self.buffers {
            Buffers::Host => return Ok(()),
            Buffers::Each(buffers) => buffers.copy(role).map_err(runtime_error)?,
            Buffers::Large(buffers) => buffers.start(role)?,
        }
        self.copy_ms += start.elapsed().as_secs_f64() * 1000.0;
        Ok(())
    }

    /// Losses of the last run: one, or one per label.
    pub fn loss(&self) -> Result<&[f32]> {
        self.here(&self.loss)?.map(Private::floats).ok_or_else(|| Error::Internal("the session has no loss output".into()))
    }

    /// Logits of the last run, a row of K for each label.
    pub fn logits(&self) -> Result<&[f32]> {
        self.here(&self.logits)?.map(Private::floats).ok_or_else(|| Error::Internal("the session has no logits output".into()))
    }

    /// Statistics of the last batch, laid out as the buffers of the store.
    pub fn statistics(&self) -> Result<&[f32]> {
        self.here(&self.statistics)?.map(Private::floats).ok_or_else(|| Error::Internal("the session has no statistics outputs".into()))
    }

    /// A result, which nobody may read while it is on its way.
    fn here<'a>(&self, result: &'a Option<Private>) -> Result<Option<&'a Private>> {
        let is_pending = matches!(&self.buffers, Buffers::Large(buffers) if buffers.is_pending());
        ensure(!is_pending, || "a result is read before it is here".into())?;
        Ok(result.as_ref())
    }

    fn bind_input(&mut self, input: &SessionInput) -> Result<()> {
        let size = input.shape.iter().product::<usize>();
        match input.source {
            InputSource::Input | InputSource::Label => {
                let buffer = Private::new(size, self.element_type(&input.port)?)?;
                self.bind(&input.port, &input.shape, buffer.pointer.as_ptr(), buffer.kind, Role::Batch)?;
                let slot = if input.source == InputSource::Input { &mut self.input } else { &mut self.label };
                *slot = Some(buffer);
                Ok(())
            }
            InputSource::Values | InputSource::Statistics => self.bind_tensor(input, size),
            InputSource::Slab => self.bind_carried(input, size),
            InputSource::Draw => self.bind_draw(input, size),
        }
    }

    fn bind_tensor(&mut self, input: &SessionInput, size: usize) -> Result<()> {
        let store = self.store.clone();
        let (index, tensor, area, start) = place(&store, input.tensor, input.source == InputSource::Statistics, &input.port)?;
        let rows = input.rows.clone().unwrap_or_else(|| (0..tensor.rows).collect());
        let fits = size == rows.len() * tensor.row_size && rows.is_sorted_by(|a, b| a < b) && rows.last().is_none_or(|r| *r < tensor.rows);
        ensure(fits, || format!("input {}: shape {:?} and rows do not fit {}", input.port, input.shape, tensor.name))?;
        if is_contiguous(&rows) {
            let from = start + rows[0] * tensor.row_size;
            let address = store.address(area, from..from + size);
            return self.bind(&input.port, &input.shape, address.cast(), TensorElementType::Float32, Role::State);
        }
        let from = self.gathers.last().map_or(0, |last| last.target.end.next_multiple_of(GATHER_ALIGNMENT));
        let target = from..from + size;
        let address = self.gathered.address(target.clone());
        self.bind(&input.port, &input.shape, address.cast(), TensorElementType::Float32, Role::State)?;
        self.gathers.push(Gather { tensor: index, area, start, rows, target });
        Ok(())
    }

    fn bind_carried(&mut self, input: &SessionInput, size: usize) -> Result<()> {
        let (index, tensor, ..) = place(&self.store, input.tensor, false, &input.port)?;
        let rows = input.rows.clone().unwrap_or_else(|| (0..tensor.rows).collect());
        ensure(size == rows.len() * tensor.row_size, || {
            format!("input {}: shape {:?} does not fit {}", input.port, input.shape, tensor.name)
        })?;
        let (worker, slab) = self.slab_range(input.offset, size, &input.port)?;
        let address = self.store.address(Area::Slab(worker), slab.clone());
        self.bind(&input.port, &input.shape, address.cast(), TensorElementType::Float32, Role::Carried)?;
        self.carried.push(Carried { tensor: index, rows, slab });
        Ok(())
    }

    fn bind_draw(&mut self, input: &SessionInput, size: usize) -> Result<()> {
        let spec = input.draw.filter(|draw| (0.0..1.0).contains(&draw.drop));
        let Some((spec, &samples)) = spec.zip(input.shape.first()) else {
            return Err(Error::Internal(format!("input {}: nothing to draw in {:?} by {:?}", input.port, input.shape, input.draw)));
        };
        let target = Private::new(size, TensorElementType::Float32)?;
        self.bind(&input.port, &input.shape, target.pointer.as_ptr(), target.kind, Role::Batch)?;
        self.draws.push(Draw { spec, size: size / samples.max(1), target });
        Ok(())
    }

    fn bind_output(&mut self, output: &SessionOutput) -> Result<()> {
        let size = output.shape.iter().product::<usize>();
        match output.target {
            OutputTarget::Slab => self.bind_slab(output, size),
            OutputTarget::Statistics => self.bind_statistics(output, size),
            OutputTarget::None => {
                let buffer = Private::new(size, TensorElementType::Float32)?;
                self.bind(&output.port, &output.shape, buffer.pointer.as_ptr(), buffer.kind, Role::Unread)?;
                self.unread.push(buffer);
                Ok(())
            }
            OutputTarget::Loss | OutputTarget::Logits => {
                let buffer = Private::new(size, TensorElementType::Float32)?;
                self.bind(&output.port, &output.shape, buffer.pointer.as_ptr(), buffer.kind, Role::Result)?;
                let slot = if output.target == OutputTarget::Loss { &mut self.loss } else { &mut self.logits };
                *slot = Some(buffer);
                Ok(())
            }
        }
    }

    fn bind_slab(&mut self, output: &SessionOutput, size: usize) -> Result<()> {
        let (worker, range) = self.slab_range(output.offset, size, &output.port)?;
        let address = self.store.address(Area::Slab(worker), range);
        self.bind(&output.port, &output.shape, address.cast(), TensorElementType::Float32, Role::Slab)
    }

    /// The worker, and the part of its slab that a port is bound to.
    fn slab_range(&self, offset: Option<usize>, size: usize, port: &str) -> Result<(usize, Range<usize>)> {
        let Some((worker, offset)) = self.worker.zip(offset) else {
            return Err(Error::Internal(format!("port {port}: no worker or offset for the slab")));
        };
        let slab = self.store.layout().slab_sizes.get(worker).copied().unwrap_or(0);
        ensure(offset + size <= slab, || format!("port {port}: {offset}+{size} is beyond the slab of {slab}"))?;
        Ok((worker, offset..offset + size))
    }

    fn bind_statistics(&mut self, output: &SessionOutput, size: usize) -> Result<()> {
        let store = self.store.clone();
        let (_, tensor, _, start) = place(&store, output.tensor, true, &output.port)?;
        ensure(size == tensor.size(), || format!("output {}: shape {:?} does not fit {}", output.port, output.shape, tensor.name))?;
        if self.statistics.is_none() {
            self.statistics = Some(Private::new(store.layout().buffer_size(), TensorElementType::Float32)?);
        }
        let Some(row) = &self.statistics else { unreachable!("just made") };
        let address = row.address(start..start + size);
        self.bind(&output.port, &output.shape, address.cast(), TensorElementType::Float32, Role::Result)
    }

    /// Binds memory to a port, or a buffer of the device that is kept equal to it. The binding holds on to the value that describes it.
    fn bind(&mut self, port: &str, shape: &[usize], data: *mut u8, kind: TensorElementType, role: Role) -> Result<()> {
        let name = CString::new(port).map_err(|_| Error::Internal(format!("port name {port:?}")))?;
        let extents: Vec<i64> = shape.iter().map(|&extent| extent as i64).collect();
        let bytes = shape.iter().product::<usize>() * scalar_bytes(kind)?;
        if let Buffers::Large(buffers) = &mut self.buffers {
            buffers.add(Port { name, role, host: data as usize..data as usize + bytes, shape: extents, kind });
            return Ok(());
        }
        let bound = (|| -> ort::Result<()> {
            // SAFETY: `data` has `bytes` bytes (checked by the callers) and outlives the session, whose field or store it belongs to.
            let host = unsafe { TensorValue::over(data, bytes, &extents, kind)? };
            // Tensor by tensor, all inputs of a run go in one call, and all outputs.
            let together = match role {
                Role::Carried => Role::Batch,
                Role::Slab => Role::Result,
                other => other,
            };
            match &mut self.buffers {
                Buffers::Each(buffers) => bind_value(&mut self.binding, role, &name, buffers.add(together, host, &extents, kind)?),
                _ => bind_value(&mut self.binding, role, &name, &host),
            }
        })();
        bound.map_err(|e| Error::Internal(format!("binding {port} with shape {shape:?}: {e}")))
    }

    /// Binds everything where it is known only now where it lies.
    fn place(&mut self) -> Result<()> {
        let regions = if matches!(self.buffers, Buffers::Large(_)) { self.regions() } else { Vec::new() };
        let Buffers::Large(buffers) = &mut self.buffers else { return Ok(()) };
        buffers.place(&regions)?;
        for (port, value) in buffers.bound() {
            let bound = bind_value(&mut self.binding, port.role, &port.name, value);
            bound.map_err(|e| Error::Internal(format!("binding {:?} with shape {:?}: {e}", port.name, port.shape)))?;
        }
        Ok(())
    }

    /// Addresses of the memory in which everything lies that can be bound.
    fn regions(&self) -> Vec<Range<usize>> {
        let areas = [Area::Values, Area::Statistics].into_iter().chain(self.worker.map(Area::Slab));
        let private = [&self.input, &self.label, &self.loss, &self.logits, &self.statistics].into_iter().flatten();
        let private = private.chain(self.draws.iter().map(|draw| &draw.target)).chain([&self.gathered]).chain(&self.unread);
        areas.map(|area| self.store.region(area)).chain(private.map(Private::region)).collect()
    }

    fn element_type(&self, port: &str) -> Result<TensorElementType> {
        match self.graph.inner().inputs().iter().find(|input| input.name() == port).map(|input| input.dtype()) {
            Some(ValueType::Tensor { ty, .. }) => Ok(*ty),
            _ => Err(Error::Internal(format!("the graph has no input {port}"))),
        }
    }

    /// Every port of the graph is bound, and every bound port is there.
    fn check_ports(&self, spec: &SessionSpec) -> Result<()> {
        let compare = |what: &str, graph: Vec<&str>, bound: Vec<&str>| {
            let unbound = graph.iter().find(|port| !bound.contains(port));
            let unknown = bound.iter().find(|port| !graph.contains(port));
            ensure(unbound.is_none() && unknown.is_none(), || format!("{what} not bound: {unbound:?}, not in the graph: {unknown:?}"))
        };
        let inner = self.graph.inner();
        compare("input", inner.inputs().iter().map(|i| i.name()).collect(), spec.inputs.iter().map(|i| &*i.port).collect())?;
        compare("output", inner.outputs().iter().map(|o| o.name()).collect(), spec.outputs.iter().map(|o| &*o.port).collect())
    }
}

/// Index and tensor of a port, its area, and where it starts there.
fn place<'a>(store: &'a Store, index: Option<usize>, statistics: bool, port: &str) -> Result<(usize, &'a Tensor, Area, usize)> {
    let layout = store.layout();
    let found = index.and_then(|index| Some((index, layout.tensors.get(index)?)));
    let Some((index, tensor)) = found.filter(|(_, tensor)| !statistics || tensor.kind == TensorKind::Buffer) else {
        return Err(Error::Internal(format!("port {port}: no fitting tensor {index:?} in the layout")));
    };
    let (area, start) = if statistics { (Area::Statistics, layout.parameter_size) } else { (Area::Values, 0) };
    Ok((index, tensor, area, tensor.offset - start))
}

/// Denormal numbers count as zero, in the session and on the thread that makes it: exponentials of masked scores end there, and would
/// take eight times as long.
///
/// Threads of a run wait for their next piece of work awake, which makes a step about a tenth faster, and sleep once it is done.
pub(crate) fn builder(environment: &Environment, threads: usize, profile: Option<&Path>) -> ort::Result<SessionBuilder> {
    let builder = ort::session::Session::builder(environment)?;
    let builder = match profile {
        Some(prefix) => builder.with_profiling(prefix)?,
        None => builder,
    };
    Ok(builder
        .with_optimization_level(OPTIMIZATION_LEVEL)?
        .with_intra_threads(threads.max(1))?
        .with_inter_threads(1)?
        .with_parallel_execution(false)?
        .with_memory_pattern(false)?
        .with_config_entry("optimization.disable_specified_optimizers", DISABLED_OPTIMIZERS)?
        .with_intra_op_spinning(threads > 1)?
        .with_config_entry("session.force_spinning_stop", "1")?
        .with_config_entry("session.set_denormal_as_zero", "1")?
        .with_log_level(LogLevel::Error)?)
}

pub(crate) fn runtime_error(error: ort::Error) -> Error {
    let sentence = format!("ONNX Runtime failed: {error}");
    let lacks_memory = ["bad_alloc", "allocate memory", "bad allocation"].iter().any(|words| sentence.contains(words));
    Error::Device(if lacks_memory { sentence + &process::memory_limit() } else { sentence })
}

/// In scalars: that of tensors in the store.
const GATHER_ALIGNMENT: usize = 16;

/// Scalars, up to the next tensor, of an input whose rows are gathered.
fn gathered_size(input: &SessionInput) -> usize {
    let gathered = matches!(input.source, InputSource::Values | InputSource::Statistics)
        && input.rows.as_ref().is_some_and(|rows| !is_contiguous(rows));
    if gathered { input.shape.iter().product::<usize>().next_multiple_of(GATHER_ALIGNMENT) } else { 0 }
}

fn is_contiguous(rows: &[usize]) -> bool {
    rows.last().is_some_and(|last| last - rows[0] + 1 == rows.len())
}

impl Gather {
    fn run(&self, store: &Store, gathered: &mut Private) {
        let tensor = &store.layout().tensors[self.tensor];
        copy_rows(store, self.area, self.start, tensor, &self.rows, &mut gathered.floats_mut()[self.target.clone()]);
    }
}

/// The binding holds on to the value.
fn bind_value(binding: &mut IoBinding, role: Role, name: &CStr, value: &TensorValue) -> ort::Result<()> {
    let api = ort::api();
    let bind = if role.is_output() { api.BindOutput } else { api.BindInput };
    // SAFETY: the runtime copies the name and shares the value.
    unsafe { ort::Error::result_from_status(bind(binding.ptr_mut(), name.as_ptr(), value.pointer())) }
}

/// Copies rows of a tensor that starts at `start` of an area.
fn copy_rows(store: &Store, area: Area, start: usize, tensor: &Tensor, rows: &[usize], target: &mut [f32]) {
    let source = store.read(area, start..start + tensor.size());
    for (target, &row) in target.chunks_exact_mut(tensor.row_size).zip(rows) {
        target.copy_from_slice(&source[row * tensor.row_size..][..tensor.row_size]);
    }
}

/// Zeroed memory that begins a cache line, which the runtime may read and write through its address between two uses of it here.
pub(crate) struct Private {
    pointer: NonNull<u8>,
    len: usize,
    kind: TensorElementType,
    allocation: Allocation,
}

impl Private {
    pub fn new(len: usize, kind: TensorElementType) -> Result<Self> {
        let bytes = len * scalar_bytes(kind)?;
        // Large ones have their pages for themselves, so that these can be pinned.
        let alignment = if bytes < PAGE { 64 } else { PAGE };
        let allocation = Allocation::from_size_align(bytes.max(64).next_multiple_of(alignment), alignment);
        let allocation = allocation.map_err(|e| Error::Internal(e.to_string()))?;
        // SAFETY: the size is not zero.
        let pointer = NonNull::new(unsafe { alloc_zeroed(allocation) }).unwrap_or_else(|| handle_alloc_error(allocation));
        Ok(Self { pointer, len, kind, allocation })
    }

    /// Its address and size in bytes.
    pub fn raw(&self) -> Result<(*mut u8, usize)> {
        Ok((self.pointer.as_ptr(), self.len * scalar_bytes(self.kind)?))
    }

    pub fn floats(&self) -> &[f32] {
        assert_eq!(self.kind, TensorElementType::Float32);
        // SAFETY: `len` initialised floats; no run is in progress, as running takes the session by exclusive reference.
        unsafe { std::slice::from_raw_parts(self.pointer.as_ptr().cast(), self.len) }
    }

    pub fn floats_mut(&mut self) -> &mut [f32] {
        assert_eq!(self.kind, TensorElementType::Float32);
        // SAFETY: as for `floats`, and borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.as_ptr().cast(), self.len) }
    }

    fn address(&self, range: Range<usize>) -> *mut f32 {
        assert!(range.end <= self.len && self.kind == TensorElementType::Float32);
        // SAFETY: in range.
        unsafe { self.pointer.as_ptr().cast::<f32>().add(range.start) }
    }

    /// Its addresses.
    fn region(&self) -> Range<usize> {
        let start = self.pointer.as_ptr() as usize;
        start..start + self.allocation.size()
    }

    /// Copies as many scalars as there are room for, which must be all.
    fn fill<T: Scalar>(&mut self, scalars: &[T]) -> Result<()> {
        let (len, kind) = (self.len, self.kind);
        ensure(kind == T::KIND && len == scalars.len(), || {
            format!("the source gives {} scalars of {:?}, the graph wants {len} of {kind:?}", scalars.len(), T::KIND)
        })?;
        // SAFETY: same type and length, and different memory.
        unsafe { std::ptr::copy_nonoverlapping(scalars.as_ptr(), self.pointer.as_ptr().cast(), len) };
        Ok(())
    }
}

// SAFETY: it owns its memory; the runtime's threads touch it during a run only.
unsafe impl Send for Private {}

impl Drop for Private {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(self.pointer.as_ptr(), self.allocation) }
    }
}

/// Element types of samples and labels.
trait Scalar: Copy {
    const KIND: TensorElementType;
}

impl Scalar for f32 {
    const KIND: TensorElementType = TensorElementType::Float32;
}

impl Scalar for i64 {
    const KIND: TensorElementType = TensorElementType::Int64;
}

fn scalar_bytes(kind: TensorElementType) -> Result<usize> {
    match kind {
        TensorElementType::Float32 => Ok(4),
        TensorElementType::Int64 => Ok(8),
        other => Err(Error::Internal(format!("element type {other:?}"))),
    }
}
