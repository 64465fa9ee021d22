//! Times one graph on a device, as training would run it there: the same session options, placement check and device buffers.
//!
//! Inputs stay on the device: float32 ones are standard normal numbers drawn by (seed, index of the input), int64 ones are zero. A timed run
//! ends when its results are there. On WebGPU a run returns once its work is with the driver, so there it ends with the smallest output
//! read back.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ort::AsPointer;
use ort::environment::Environment;
use ort::session::{IoBinding, Session};
use ort::value::{Outlet, TensorElementType, ValueType};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::device::guarded;
use crate::error::{Error, Result};
use crate::init;
use crate::provider::{DeviceBuffers, Provider, Role, TensorValue};
use crate::runtime::{self, Private, runtime_error};
use crate::spec::{DeviceKind, InitKind, InitSpec};

/// A graph that is slow is run less often than asked for: no more once so much time has passed, but so often in any case.
const LONGEST: Duration = Duration::from_secs(1);
const FEWEST: usize = 3;

/// A graph to time, on the same provider options and with the same checks as a training session.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TimingOptions {
    pub runtime_library: PathBuf,
    /// Absolute paths of shared libraries to load before the provider is registered.
    pub preload: Vec<PathBuf>,
    pub kind: DeviceKind,
    pub index: usize,
    pub threads: usize,
    pub custom_operators: bool,
    /// The graph's file, which is no part of the record. Inputs of fixed shape, float32 (standard normal numbers drawn by `seed`) or int64
    /// (zeros); outputs float32.
    #[serde(skip)]
    pub onnx: Vec<u8>,
    pub warm_ups: usize,
    pub repeats: usize,
    pub seed: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    /// One per repeat, in milliseconds; fewer for a slow graph.
    pub ms: Vec<f64>,
    /// Content of each output after the last run, in the graph's order.
    pub outputs: Vec<Vec<f32>>,
}

/// Times a graph on a thread of its own, since building a session changes how its thread treats denormal numbers.
pub fn time_graph(options: &TimingOptions) -> Result<Timing> {
    let environment = runtime::environment(&options.runtime_library)?;
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| guarded(|| time(&environment, options)));
        thread.join().unwrap_or_else(|_| Err(Error::Internal("the thread that times a graph has ended".into())))
    })
}

fn time(environment: &Environment, options: &TimingOptions) -> Result<Timing> {
    let provider = Provider::open(environment, &options.runtime_library, options.kind, options.index, &options.preload)?;
    let provider = provider.with_custom_operators(options.custom_operators);
    let builder = runtime::builder(environment, options.threads, None).map_err(runtime_error)?;
    let mut bound = Bound::new(environment, &provider, provider.build(builder, &options.onnx)?, options.seed)?;
    let wait = options.kind == DeviceKind::WebGpu;
    let mut timed = |runs: usize| -> Result<Vec<f64>> {
        let begin = Instant::now();
        let mut ms = Vec::with_capacity(runs);
        while ms.len() < runs.min(FEWEST) || (ms.len() < runs && begin.elapsed() < LONGEST) {
            let start = Instant::now();
            bound.run(wait).map_err(runtime_error)?;
            ms.push(start.elapsed().as_secs_f64() * 1e3);
        }
        Ok(ms)
    };
    timed(options.warm_ups)?;
    let ms = timed(options.repeats)?;
    Ok(Timing { ms, outputs: bound.outputs().map_err(runtime_error)? })
}

/// A session with memory for all of its ports.
struct Bound {
    binding: IoBinding,
    /// The device's side: of the inputs and larger outputs, and of the smallest output. Empty where sessions work on host memory.
    buffers: Option<DeviceBuffers>,
    smallest: Option<DeviceBuffers>,
    session: Session,
    /// Memory of the inputs, then of the outputs.
    host: Vec<Private>,
    num_inputs: usize,
}

impl Bound {
    fn new(environment: &Environment, provider: &Provider, session: Session, seed: u64) -> Result<Self> {
        let ports = |outlets: &[Outlet]| outlets.iter().map(Port::of).collect::<Result<Vec<_>>>();
        let (inputs, outputs) = (ports(session.inputs())?, ports(session.outputs())?);
        if let Some(other) = outputs.iter().find(|port| port.kind != TensorElementType::Float32) {
            return Err(Error::Internal(format!("output {} is {:?}, only float32 is read back", other.name, other.kind)));
        }
        let buffers = || DeviceBuffers::of(provider, environment, &session).map_err(runtime_error);
        let (buffers, smallest) = (buffers()?, buffers()?);
        let binding = session.create_binding().map_err(runtime_error)?;
        let mut bound = Self { binding, buffers, smallest, session, host: Vec::new(), num_inputs: inputs.len() };
        for (index, port) in inputs.iter().enumerate() {
            let mut memory = Private::new(port.size(), port.kind)?;
            if port.kind == TensorElementType::Float32 {
                let normal = InitSpec { kind: InitKind::Normal, value: 1.0 };
                memory.floats_mut().copy_from_slice(&init::draw(&normal, port.size(), seed, index as u64));
            }
            bound.bind(port, memory, Role::Batch, false)?;
        }
        let least = (0..outputs.len()).min_by_key(|&index| outputs[index].size());
        for (index, port) in outputs.iter().enumerate() {
            bound.bind(port, Private::new(port.size(), port.kind)?, Role::Result, Some(index) == least)?;
        }
        bound.buffers.iter().try_for_each(|buffers| buffers.copy(Role::Batch)).map_err(runtime_error)?;
        Ok(bound)
    }

    fn bind(&mut self, port: &Port, memory: Private, role: Role, is_smallest: bool) -> Result<()> {
        let name = CString::new(&*port.name).map_err(|_| Error::Internal(format!("port name {:?}", port.name)))?;
        let (data, bytes) = memory.raw()?;
        self.host.push(memory);
        let buffers = if is_smallest { &mut self.smallest } else { &mut self.buffers };
        let bind = if role == Role::Result { ort::api().BindOutput } else { ort::api().BindInput };
        let mut bind_value = |value: &TensorValue| {
            // SAFETY: the runtime copies the name and shares the value.
            unsafe { ort::Error::result_from_status(bind(self.binding.ptr_mut(), name.as_ptr(), value.pointer())) }
        };
        let bound = (|| {
            // SAFETY: the memory has these bytes, enough for the shape, and belongs to what the binding belongs to.
            let host = unsafe { TensorValue::over(data, bytes, &port.shape, port.kind)? };
            match buffers {
                None => bind_value(&host),
                Some(buffers) => bind_value(buffers.add(role, host, &port.shape, port.kind)?),
            }
        })();
        bound.map_err(runtime_error)
    }

    fn run(&mut self, wait: bool) -> ort::Result<()> {
        drop(self.session.run_binding(&self.binding)?);
        if wait { self.smallest.iter().try_for_each(|buffers| buffers.copy(Role::Result)) } else { Ok(()) }
    }

    fn outputs(&self) -> ort::Result<Vec<Vec<f32>>> {
        self.buffers.iter().chain(&self.smallest).try_for_each(|buffers| buffers.copy(Role::Result))?;
        Ok(self.host[self.num_inputs..].iter().map(|memory| memory.floats().to_vec()).collect())
    }
}

/// A tensor that the graph reads or writes.
struct Port {
    name: String,
    shape: Vec<i64>,
    kind: TensorElementType,
}

impl Port {
    fn of(outlet: &Outlet) -> Result<Self> {
        match outlet.dtype() {
            ValueType::Tensor { ty, shape, .. } if shape.iter().all(|&extent| extent >= 0) => {
                Ok(Self { name: outlet.name().into(), shape: shape.to_vec(), kind: *ty })
            }
            other => Err(Error::Internal(format!("port {} has no fixed shape: {other:?}", outlet.name()))),
        }
    }

    fn size(&self) -> usize {
        self.shape.iter().map(|&extent| extent as usize).product()
    }
}
