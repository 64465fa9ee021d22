//! Gradients of a convolution. Descriptors and the choice of the algorithm are kept from run to run while shapes stay as they are.

#![allow(unsafe_code)]

use std::ffi::c_int;

use super::algorithms::{Choice, MOST_ALGORITHMS, Performance, choose};
use super::api::{Api, Object, call, scalar};
use super::descriptors::Descriptor;
use super::geometry::Geometry;
use super::operator::{Attributes, Call, Node, TensorView};

/// What both gradients have.
struct Convolution {
    strides: Vec<i64>,
    pads: Vec<i64>,
    prepared: Option<Prepared>,
}

struct Prepared {
    geometry: Geometry,
    x: Descriptor,
    w: Descriptor,
    dy: Descriptor,
    convolution: Descriptor,
    choice: Choice,
}

/// Functions of cuDNN that tell of the algorithms for one of the gradients.
struct Functions {
    what: &'static str,
    find: unsafe extern "C" fn(Object, Object, Object, Object, Object, c_int, *mut c_int, *mut Performance) -> c_int,
    size: unsafe extern "C" fn(Object, Object, Object, Object, Object, c_int, *mut usize) -> c_int,
    /// Descriptors in the order of the arguments.
    arguments: fn(&Prepared) -> [Object; 4],
}

impl Convolution {
    fn new(attributes: &dyn Attributes) -> ort::Result<Self> {
        Ok(Self { strides: attributes.integers("strides")?, pads: attributes.integers("pads")?, prepared: None })
    }

    fn prepare(&mut self, call: &Call, [x, w, dy]: [&TensorView; 3], functions: fn(&Api) -> Functions) -> ort::Result<&Prepared> {
        let geometry = Geometry::new(&x.shape, &w.shape, &dy.shape, &self.strides, &self.pads).map_err(ort::Error::new)?;
        let kept = self.prepared.take().filter(|prepared| prepared.geometry == geometry);
        let prepared = match kept {
            Some(prepared) => prepared,
            None => Prepared::new(call, geometry, &functions(call.api))?,
        };
        Ok(self.prepared.insert(prepared))
    }
}

impl Prepared {
    fn new(call: &Call, geometry: Geometry, functions: &Functions) -> ort::Result<Self> {
        let api = call.api;
        let mut prepared = Self {
            x: Descriptor::tensor(api, geometry.x)?,
            w: Descriptor::filter(api, geometry.w)?,
            dy: Descriptor::tensor(api, geometry.dy)?,
            convolution: Descriptor::convolution(api, &geometry)?,
            geometry,
            choice: Choice { algorithm: 0, workspace: 0 },
        };
        let [a, b, c, d] = (functions.arguments)(&prepared);
        let (mut found, mut count) = ([Performance::default(); MOST_ALGORITHMS], 0);
        // SAFETY: handle and descriptors live, and there is room for as many entries as are asked for.
        let status = unsafe { (functions.find)(call.handle, a, b, c, d, found.len() as c_int, &mut count, found.as_mut_ptr()) };
        api.check(functions.what, status)?;
        let found = &found[..usize::try_from(count).unwrap_or(0).min(MOST_ALGORITHMS)];
        let workspace = |algorithm| {
            let mut bytes = 0;
            // SAFETY: as above.
            let status = unsafe { (functions.size)(call.handle, a, b, c, d, algorithm, &mut bytes) };
            api.check(functions.what, status).is_ok().then_some(bytes)
        };
        prepared.choice = choose(found, workspace).ok_or_else(|| {
            ort::Error::new(format!(
                "cuDNN has no exact algorithm with the same result each time for the gradient of a convolution of {:?} with {:?} to {:?}",
                geometry.x, geometry.w, geometry.dy
            ))
        })?;
        Ok(prepared)
    }
}

/// `ConvWeightGradient`.
pub struct WeightGradient {
    convolution: Convolution,
    kernel: Vec<i64>,
}

impl Node for WeightGradient {
    const NAME: &'static str = "ConvWeightGradient";
    const INPUTS: usize = 2;
    const OUTPUTS: usize = 1;

    fn new(attributes: &dyn Attributes) -> ort::Result<Self> {
        Ok(Self { convolution: Convolution::new(attributes)?, kernel: attributes.integers("kernel")? })
    }

    fn shapes(&self, inputs: &[Vec<i64>]) -> Option<Vec<Vec<i64>>> {
        match (inputs, &*self.kernel) {
            ([x, dy], &[r, s]) if x.len() == 4 && dy.len() == 4 => Some(vec![vec![dy[1], x[1], r, s]]),
            _ => None,
        }
    }

    fn compute(&mut self, call: &Call, inputs: &[TensorView], outputs: &[TensorView]) -> ort::Result<()> {
        let ([x, dy], [dw]) = (inputs, outputs) else { unreachable!("so many there are") };
        let Prepared { x: x_form, w: w_form, dy: dy_form, convolution, choice, .. } =
            self.convolution.prepare(call, [x, dw, dy], |api| Functions {
                what: "cudnnGetConvolutionBackwardFilterAlgorithm_v7",
                find: api.cudnnGetConvolutionBackwardFilterAlgorithm_v7,
                size: api.cudnnGetConvolutionBackwardFilterWorkspaceSize,
                arguments: |p| [p.x.object, p.dy.object, p.convolution.object, p.w.object],
            })?;
        let Choice { algorithm, workspace } = *choice;
        let mut memory = call.allocator.alloc::<u8>(workspace.max(1))?;
        let memory = memory.as_mut_ptr();
        // SAFETY: tensors of the shapes that the descriptors tell, and workspace of the size that the algorithm asked for.
        unsafe {
            call!(
                call.api,
                cudnnConvolutionBackwardFilter(
                    call.handle,
                    scalar(&1.0),
                    x_form.object,
                    x.data,
                    dy_form.object,
                    dy.data,
                    convolution.object,
                    algorithm,
                    memory,
                    workspace,
                    scalar(&0.0),
                    w_form.object,
                    dw.data,
                )
            )
        }
    }
}

/// `ConvInputGradient`.
pub struct InputGradient {
    convolution: Convolution,
    image: Vec<i64>,
}

impl Node for InputGradient {
    const NAME: &'static str = "ConvInputGradient";
    const INPUTS: usize = 2;
    const OUTPUTS: usize = 1;

    fn new(attributes: &dyn Attributes) -> ort::Result<Self> {
        Ok(Self { convolution: Convolution::new(attributes)?, image: attributes.integers("image")? })
    }

    fn shapes(&self, inputs: &[Vec<i64>]) -> Option<Vec<Vec<i64>>> {
        match (inputs, &*self.image) {
            ([dy, w], &[height, width]) if dy.len() == 4 && w.len() == 4 => Some(vec![vec![dy[0], w[1], height, width]]),
            _ => None,
        }
    }

    fn compute(&mut self, call: &Call, inputs: &[TensorView], outputs: &[TensorView]) -> ort::Result<()> {
        let ([dy, w], [dx]) = (inputs, outputs) else { unreachable!("so many there are") };
        let Prepared { x: x_form, w: w_form, dy: dy_form, convolution, choice, .. } =
            self.convolution.prepare(call, [dx, w, dy], |api| Functions {
                what: "cudnnGetConvolutionBackwardDataAlgorithm_v7",
                find: api.cudnnGetConvolutionBackwardDataAlgorithm_v7,
                size: api.cudnnGetConvolutionBackwardDataWorkspaceSize,
                arguments: |p| [p.w.object, p.dy.object, p.convolution.object, p.x.object],
            })?;
        let Choice { algorithm, workspace } = *choice;
        let mut memory = call.allocator.alloc::<u8>(workspace.max(1))?;
        let memory = memory.as_mut_ptr();
        // SAFETY: tensors of the shapes that the descriptors tell, and workspace of the size that the algorithm asked for.
        unsafe {
            call!(
                call.api,
                cudnnConvolutionBackwardData(
                    call.handle,
                    scalar(&1.0),
                    w_form.object,
                    w.data,
                    dy_form.object,
                    dy.data,
                    convolution.object,
                    algorithm,
                    memory,
                    workspace,
                    scalar(&0.0),
                    x_form.object,
                    dx.data,
                )
            )
        }
    }
}
