//! How the operators stand in the runtime: attributes, shapes, memory, the stream, and errors.
//!
//! Workspace comes from the allocator that the runtime gives the kernel, and goes back as soon as the work is handed to the stream. That is
//! how the runtime's own kernels do it: whoever gets the memory next runs behind on the same stream, and the runtime waits for the stream
//! at the end of a run. So it is counted in the session's arena, and the driver allocates nothing in a step but the first.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ort::AsPointer;
use ort::ep::cuda::resource;
use ort::memory::{Allocator, MemoryType};
use ort::operator::{
    ComputeContext, Kernel, KernelContext, Operator, OperatorDomain, OperatorInput, OperatorOutput, ShapeInferenceContext,
};
use ort::value::{Shape, SymbolicDimensions, TensorElementType, ValueType};

use super::api::{Api, Object, call};
use super::convolution::{InputGradient, WeightGradient};
use super::normalization::{Normalization, NormalizationGradient};

/// The domain with all operators, for the sessions of an execution provider.
pub fn domain(provider: &'static str) -> ort::Result<OperatorDomain> {
    OperatorDomain::new("sdp.cudnn")?
        .add(Registered::<WeightGradient>::on(provider))?
        .add(Registered::<InputGradient>::on(provider))?
        .add(Registered::<Normalization>::on(provider))?
        .add(Registered::<NormalizationGradient>::on(provider))
}

/// One operator, and the state of one node of it.
pub trait Node: Sized + Send + 'static {
    const NAME: &'static str;
    const INPUTS: usize;
    const OUTPUTS: usize;

    fn new(attributes: &dyn Attributes) -> ort::Result<Self>;

    /// Shapes of the outputs; -1 where an extent is not known. None where too little is known of the inputs.
    fn shapes(&self, inputs: &[Vec<i64>]) -> Option<Vec<Vec<i64>>>;

    fn compute(&mut self, call: &Call, inputs: &[TensorView], outputs: &[TensorView]) -> ort::Result<()>;
}

/// A tensor of the device.
#[derive(Debug, Clone)]
pub struct TensorView {
    pub data: *mut c_void,
    pub shape: Vec<i64>,
}

/// What a node has for a run.
pub struct Call<'a> {
    pub api: &'static Api,
    pub handle: Object,
    pub allocator: &'a Allocator,
}

/// Attributes of a node while shapes are inferred, and when its kernel is made.
pub trait Attributes {
    fn integers(&self, name: &str) -> ort::Result<Vec<i64>>;
    fn float(&self, name: &str) -> ort::Result<f32>;
}

impl Attributes for ShapeInferenceContext {
    fn integers(&self, name: &str) -> ort::Result<Vec<i64>> {
        self.attr(name)
    }

    fn float(&self, name: &str) -> ort::Result<f32> {
        self.attr(name)
    }
}

impl Attributes for KernelContext<'_> {
    fn integers(&self, name: &str) -> ort::Result<Vec<i64>> {
        self.get(name).ok_or_else(|| ort::Error::new(format!("there is no attribute {name} of integers")))
    }

    fn float(&self, name: &str) -> ort::Result<f32> {
        self.get(name).ok_or_else(|| ort::Error::new(format!("there is no attribute {name} of a number")))
    }
}

struct Registered<N> {
    provider: &'static str,
    node: PhantomData<fn() -> N>,
}

impl<N> Registered<N> {
    fn on(provider: &'static str) -> Self {
        Self { provider, node: PhantomData }
    }
}

impl<N: Node> Operator for Registered<N> {
    type Kernel<'attr> = NodeKernel<N>;

    fn name(&self) -> &str {
        N::NAME
    }

    fn versions(&self) -> RangeInclusive<u32> {
        1..=1
    }

    fn execution_provider_type(&self) -> Option<&str> {
        Some(self.provider)
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        (0..N::INPUTS).map(|_| OperatorInput::required(TensorElementType::Float32))
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        (0..N::OUTPUTS).map(|_| OperatorOutput::required(TensorElementType::Float32))
    }

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<Self::Kernel<'attr>> {
        guarded(|| Ok(NodeKernel { node: N::new(context)?, allocator: context.allocator(MemoryType::Default)?, own: None }))
    }

    fn infer_shape(&self, context: &mut ShapeInferenceContext) -> ort::Result<()> {
        guarded(|| {
            let known = |kind: ValueType| kind.tensor_shape().map(|shape| shape.to_vec());
            let inputs: Option<Vec<Vec<i64>>> = context.inputs().into_iter().map(known).collect();
            let shapes = match inputs {
                Some(inputs) => N::new(context)?.shapes(&inputs),
                None => None,
            };
            for (index, shape) in shapes.into_iter().flatten().enumerate() {
                let dimension_symbols = SymbolicDimensions::empty(shape.len());
                let kind = ValueType::Tensor { ty: TensorElementType::Float32, shape: Shape::new(shape), dimension_symbols };
                context.set_output(index, &kind)?;
            }
            Ok(())
        })
    }
}

struct NodeKernel<N> {
    node: N,
    allocator: Allocator,
    /// Where the provider has no handle of cuDNN.
    own: Option<OwnHandle>,
}

struct OwnHandle(Object);

// SAFETY: the handle belongs to a node, which computes on one thread at a time.
unsafe impl Send for OwnHandle {}

impl Drop for OwnHandle {
    fn drop(&mut self) {
        if let Ok(api) = Api::get() {
            // SAFETY: made by cudnnCreate and destroyed once.
            unsafe { (api.cudnnDestroy)(self.0) };
        }
    }
}

impl<N: Node> Kernel for NodeKernel<N> {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        guarded(|| {
            let api = Api::get()?;
            let inputs = (0..N::INPUTS).map(|index| input(context, index)).collect::<ort::Result<Vec<_>>>()?;
            let handle = self.handle(api, context)?;
            let shapes: Vec<Vec<i64>> = inputs.iter().map(|input| input.shape.clone()).collect();
            let shapes = self.node.shapes(&shapes).ok_or_else(|| ort::Error::new(format!("inputs of shapes {shapes:?}")))?;
            let outputs = shapes.into_iter().enumerate().map(|(index, shape)| output(context, index, shape));
            let outputs = outputs.collect::<ort::Result<Vec<_>>>()?;
            self.node.compute(&Call { api, handle, allocator: &self.allocator }, &inputs, &outputs)
        })
    }
}

impl<N> NodeKernel<N> {
    /// The provider's handle of cuDNN, which is on the stream that it computes on; where it has none, one of the node's own on that stream.
    fn handle(&mut self, api: &'static Api, context: &ComputeContext) -> ort::Result<Object> {
        let stream = context.stream()?;
        if stream.is_some()
            && let Ok(handle) = context.resource(resource::CuDNNHandle)
            && !handle.is_null()
        {
            return Ok(handle.cast_mut().cast());
        }
        let handle = match &self.own {
            Some(own) => own.0,
            None => {
                let mut handle = std::ptr::null_mut();
                // SAFETY: the function fills in what it is given the address of.
                unsafe { call!(api, cudnnCreate(&mut handle))? };
                self.own.insert(OwnHandle(handle)).0
            }
        };
        let stream = stream.map_or(std::ptr::null_mut(), |stream| stream.as_ptr().cast());
        // SAFETY: a handle that lives, and the stream that this run computes on.
        unsafe { call!(api, cudnnSetStream(handle, stream))? };
        Ok(handle)
    }
}

fn input(context: &ComputeContext, index: usize) -> ort::Result<TensorView> {
    let value = context.input(index)?.ok_or_else(|| ort::Error::new(format!("input {index} is missing")))?;
    view(value.ptr().cast_mut(), value.dtype())
}

fn output(context: &ComputeContext, index: usize, shape: Vec<i64>) -> ort::Result<TensorView> {
    let value = context.output(index, shape)?.ok_or_else(|| ort::Error::new(format!("output {index} is missing")))?;
    view(value.ptr().cast_mut(), value.dtype())
}

fn view(value: *mut ort::sys::OrtValue, kind: &ValueType) -> ort::Result<TensorView> {
    let shape = kind.tensor_shape().ok_or_else(|| ort::Error::new("not a tensor"))?.to_vec();
    let mut data = std::ptr::null_mut();
    // SAFETY: a tensor of this run, which it outlives.
    unsafe { ort::Error::result_from_status((ort::api().GetTensorMutableData)(value, &mut data))? };
    Ok(TensorView { data, shape })
}

/// The result of `work`; a panic in it becomes an error, since it must not reach the runtime.
fn guarded<T>(work: impl FnOnce() -> ort::Result<T>) -> ort::Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(ort::Error::new("panic in an operator of sdp.cudnn")))
}
