//! Gradients that go up to the worker's slab while the rest of the backward pass still runs (CUDA).
//!
//! The operator `Publish` of the domain `sdp.copies` computes nothing. The training graph has a few nodes of it (src-main/graph/passes/publish.ts),
//! each behind the gradients of its inputs: what the device computes after them goes on beside their copies. What no node has published is
//! copied after the run; so are all where there is no copy stream, and gradients that the runtime has not put where they are bound.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use ort::AsPointer;
use ort::operator::{ComputeContext, Kernel, KernelContext, Operator, OperatorDomain, OperatorInput, OperatorOutput};
use ort::value::TensorElementType;

use crate::cuda::Stream;
use crate::device::lock;
use crate::error::Result;

/// The domain, for one session of an execution provider.
pub fn domain(provider: &'static str, publisher: Arc<Publisher>) -> ort::Result<OperatorDomain> {
    OperatorDomain::new("sdp.copies")?.add(Publish { provider, publisher })
}

/// What the nodes of a graph and the buffers of its sessions have in common.
#[derive(Default)]
pub struct Publisher {
    /// Names of the inputs of each node.
    nodes: Mutex<Vec<Vec<String>>>,
    outlet: Mutex<Weak<Outlet>>,
}

impl Publisher {
    /// Names of the inputs of each node, once the session is built.
    pub fn nodes(&self) -> Vec<Vec<String>> {
        lock(&self.nodes).clone()
    }

    /// Makes the nodes begin copies through this outlet from now on, while it lives. Its first groups are those of the nodes.
    pub fn connect(&self, outlet: &Arc<Outlet>) {
        *lock(&self.outlet) = Arc::downgrade(outlet);
    }
}

/// One copy to the host, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Up {
    pub host: usize,
    pub device: u64,
    pub bytes: usize,
}

/// What is copied together.
#[derive(Debug, Default)]
pub struct Group {
    /// Addresses on the device of the inputs of its node.
    pub inputs: Vec<u64>,
    pub copies: Vec<Up>,
    pub is_begun: AtomicBool,
}

/// The way of the gradients to the host.
pub struct Outlet {
    stream: Arc<Stream>,
    groups: Vec<Group>,
    is_open: AtomicBool,
}

impl Outlet {
    /// # Safety
    /// From `open` until the stream is waited for, all that the copies name is there, nobody uses it on the host, and nobody writes it on the
    /// device after the group's node, or after `begin_rest`.
    pub unsafe fn new(stream: Arc<Stream>, groups: Vec<Group>) -> Arc<Self> {
        Arc::new(Self { stream, groups, is_open: AtomicBool::new(false) })
    }

    /// To be called before a run: nothing of it is copied yet. `now`: nodes begin their copies.
    pub fn open(&self, now: bool) {
        self.groups.iter().for_each(|group| group.is_begun.store(false, Ordering::Relaxed));
        self.is_open.store(now, Ordering::Relaxed);
    }

    /// Begins the copies that no node has begun, after the run.
    pub fn begin_rest(&self) -> Result<()> {
        self.groups.iter().filter(|group| !group.is_begun.load(Ordering::Relaxed)).try_for_each(|group| self.begin(group))
    }

    /// Begins the copies of a node once what has been given to `compute`, a stream, is done.
    fn publish(&self, node: usize, inputs: &[u64], compute: *mut c_void) -> Result<()> {
        let is_open = self.is_open.load(Ordering::Relaxed);
        let Some(group) = self.groups.get(node).filter(|group| is_open && group.inputs == inputs) else { return Ok(()) };
        // SAFETY: the stream that the runtime computes on in this run.
        unsafe { self.stream.follow(compute)? };
        self.begin(group)
    }

    fn begin(&self, group: &Group) -> Result<()> {
        for &Up { host, device, bytes } in &group.copies {
            // SAFETY: as promised to `new`.
            unsafe { self.stream.to_host(host, device, bytes)? };
        }
        group.is_begun.store(true, Ordering::Relaxed);
        Ok(())
    }
}

struct Publish {
    provider: &'static str,
    publisher: Arc<Publisher>,
}

impl Operator for Publish {
    type Kernel<'attr> = PublishKernel;

    fn name(&self) -> &str {
        "Publish"
    }

    fn versions(&self) -> RangeInclusive<u32> {
        1..=1
    }

    fn execution_provider_type(&self) -> Option<&str> {
        Some(self.provider)
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        [OperatorInput::variadic(1).homogenous(TensorElementType::Float32)]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<Self::Kernel<'attr>> {
        guarded(|| {
            let inputs = context.inputs()?.iter().map(|input| input.name().to_owned()).collect();
            let mut nodes = lock(&self.publisher.nodes);
            nodes.push(inputs);
            Ok(PublishKernel { publisher: self.publisher.clone(), node: nodes.len() - 1 })
        })
    }
}

struct PublishKernel {
    publisher: Arc<Publisher>,
    node: usize,
}

impl Kernel for PublishKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        guarded(|| {
            // Nobody reads what is in it.
            context.output(0, [1i64])?;
            let Some(outlet) = lock(&self.publisher.outlet).upgrade() else { return Ok(()) };
            let inputs = (0..context.num_inputs()?).map(|index| address(context, index)).collect::<ort::Result<Vec<u64>>>()?;
            let stream = context.stream()?.map_or(std::ptr::null_mut(), |stream| stream.as_ptr().cast());
            outlet.publish(self.node, &inputs, stream).map_err(|e| ort::Error::new(e.sentence()))
        })
    }
}

fn address(context: &ComputeContext, index: usize) -> ort::Result<u64> {
    let value = context.input(index)?.ok_or_else(|| ort::Error::new(format!("input {index} is missing")))?;
    let mut data = std::ptr::null_mut();
    // SAFETY: a tensor of this run, which it outlives.
    unsafe { ort::Error::result_from_status((ort::api().GetTensorMutableData)(value.ptr().cast_mut(), &mut data))? };
    Ok(data as u64)
}

/// The result of `work`; a panic in it becomes an error, since it must not reach the runtime.
fn guarded<T>(work: impl FnOnce() -> ort::Result<T>) -> ort::Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(ort::Error::new("panic in an operator of sdp.copies")))
}
