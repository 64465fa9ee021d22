//! Descriptors of cuDNN: float32 tensors and kernels, packed in the order of their axes, and convolutions without tensor cores.

#![allow(unsafe_code)]

use std::ffi::c_int;

use super::api::{Api, Object, call};
use super::geometry::Geometry;

/// CUDNN_TENSOR_NCHW.
const NCHW: c_int = 0;
/// CUDNN_DATA_FLOAT.
const FLOAT: c_int = 0;
/// CUDNN_CROSS_CORRELATION: the kernel is not flipped.
const CROSS_CORRELATION: c_int = 1;
/// CUDNN_FMA_MATH.
const FMA: c_int = 3;

pub struct Descriptor {
    pub object: Object,
    destroy: unsafe extern "C" fn(Object) -> c_int,
}

impl Descriptor {
    pub fn tensor(api: &Api, [n, c, h, w]: [i32; 4]) -> ort::Result<Self> {
        let descriptor = Self::new(api, "cudnnCreateTensorDescriptor", api.cudnnCreateTensorDescriptor, api.cudnnDestroyTensorDescriptor)?;
        // SAFETY: a tensor descriptor that lives.
        unsafe { call!(api, cudnnSetTensor4dDescriptor(descriptor.object, NCHW, FLOAT, n, c, h, w))? };
        Ok(descriptor)
    }

    pub fn filter(api: &Api, [k, c, r, s]: [i32; 4]) -> ort::Result<Self> {
        let descriptor = Self::new(api, "cudnnCreateFilterDescriptor", api.cudnnCreateFilterDescriptor, api.cudnnDestroyFilterDescriptor)?;
        // SAFETY: a filter descriptor that lives.
        unsafe { call!(api, cudnnSetFilter4dDescriptor(descriptor.object, FLOAT, NCHW, k, c, r, s))? };
        Ok(descriptor)
    }

    pub fn convolution(api: &Api, Geometry { pads, strides, .. }: &Geometry) -> ort::Result<Self> {
        let (create, destroy) = (api.cudnnCreateConvolutionDescriptor, api.cudnnDestroyConvolutionDescriptor);
        let descriptor = Self::new(api, "cudnnCreateConvolutionDescriptor", create, destroy)?;
        let ([ph, pw], [sh, sw], object) = (*pads, *strides, descriptor.object);
        // SAFETY: a convolution descriptor that lives.
        unsafe {
            call!(api, cudnnSetConvolution2dDescriptor(object, ph, pw, sh, sw, 1, 1, CROSS_CORRELATION, FLOAT))?;
            call!(api, cudnnSetConvolutionMathType(object, FMA))?;
        }
        Ok(descriptor)
    }

    fn new(
        api: &Api,
        name: &str,
        create: unsafe extern "C" fn(*mut Object) -> c_int,
        destroy: unsafe extern "C" fn(Object) -> c_int,
    ) -> ort::Result<Self> {
        let mut object = std::ptr::null_mut();
        // SAFETY: the function fills in what it is given the address of.
        api.check(name, unsafe { create(&mut object) })?;
        Ok(Self { object, destroy })
    }
}

// SAFETY: a record of the host's memory, which one thread at a time uses.
unsafe impl Send for Descriptor {}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: made by the matching function, and destroyed once.
        unsafe { (self.destroy)(self.object) };
    }
}
