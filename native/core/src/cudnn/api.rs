//! The functions of cuDNN 9 that the operators call, from the library that is found under its name at first use. One that the process has
//! loaded already, by whatever path, is found first.

#![allow(unsafe_code, non_snake_case)]

use std::error::Error;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;

use libloading::Library;

use super::algorithms::Performance;

/// A handle or a descriptor.
pub type Object = *mut c_void;
/// Memory of the device, or scalars of the host.
pub type Input = *const c_void;

/// The address of a factor, which cuDNN reads while it is called.
pub fn scalar(value: &f32) -> Input {
    std::ptr::from_ref(value).cast()
}

/// CUDNN_STATUS_SUCCESS.
const SUCCESS: c_int = 0;

macro_rules! functions {
    ($($name:ident($($argument:ty),*);)*) => {
        pub struct Api {
            $(pub $name: unsafe extern "C" fn($($argument),*) -> c_int,)*
            cudnnGetErrorString: unsafe extern "C" fn(c_int) -> *const c_char,
        }

        impl Api {
            /// # Safety
            /// The library is cuDNN 9, whose functions have these types, and stays loaded.
            unsafe fn of(library: &Library) -> Result<Self, libloading::Error> {
                // SAFETY: as promised by the caller.
                unsafe {
                    Ok(Self {
                        $($name: *library.get(concat!(stringify!($name), "\0"))?,)*
                        cudnnGetErrorString: *library.get("cudnnGetErrorString\0")?,
                    })
                }
            }
        }
    };
}

functions! {
    cudnnCreate(*mut Object);
    cudnnDestroy(Object);
    cudnnSetStream(Object, *mut c_void);
    cudnnCreateTensorDescriptor(*mut Object);
    cudnnDestroyTensorDescriptor(Object);
    cudnnSetTensor4dDescriptor(Object, c_int, c_int, c_int, c_int, c_int, c_int);
    cudnnCreateFilterDescriptor(*mut Object);
    cudnnDestroyFilterDescriptor(Object);
    cudnnSetFilter4dDescriptor(Object, c_int, c_int, c_int, c_int, c_int, c_int);
    cudnnCreateConvolutionDescriptor(*mut Object);
    cudnnDestroyConvolutionDescriptor(Object);
    cudnnSetConvolution2dDescriptor(Object, c_int, c_int, c_int, c_int, c_int, c_int, c_int, c_int);
    cudnnSetConvolutionMathType(Object, c_int);
    cudnnGetConvolutionBackwardFilterAlgorithm_v7(Object, Object, Object, Object, Object, c_int, *mut c_int, *mut Performance);
    cudnnGetConvolutionBackwardFilterWorkspaceSize(Object, Object, Object, Object, Object, c_int, *mut usize);
    cudnnConvolutionBackwardFilter(Object, Input, Object, Input, Object, Input, Object, c_int, *mut c_void, usize, Input, Object, *mut c_void);
    cudnnGetConvolutionBackwardDataAlgorithm_v7(Object, Object, Object, Object, Object, c_int, *mut c_int, *mut Performance);
    cudnnGetConvolutionBackwardDataWorkspaceSize(Object, Object, Object, Object, Object, c_int, *mut usize);
    cudnnConvolutionBackwardData(Object, Input, Object, Input, Object, Input, Object, c_int, *mut c_void, usize, Input, Object, *mut c_void);
    cudnnSetTensor(Object, Object, *mut c_void, Input);
    cudnnScaleTensor(Object, Object, *mut c_void, Input);
    cudnnBatchNormalizationForwardInference(Object, c_int, Input, Input, Object, Input, Object, *mut c_void, Object, Input, Input, Input, Input, f64);
    cudnnBatchNormalizationForwardTraining(Object, c_int, Input, Input, Object, Input, Object, *mut c_void, Object, Input, Input, f64, *mut c_void, *mut c_void, f64, *mut c_void, *mut c_void);
    cudnnBatchNormalizationBackward(Object, c_int, Input, Input, Input, Input, Object, Input, Object, Input, Object, *mut c_void, Object, Input, *mut c_void, *mut c_void, f64, Input, Input);
}

impl Api {
    /// The library, loaded at the first call that finds it.
    pub fn get() -> ort::Result<&'static Self> {
        static LOADED: OnceLock<Api> = OnceLock::new();
        if let Some(api) = LOADED.get() {
            return Ok(api);
        }
        let api = Self::open(if cfg!(windows) { "cudnn64_9.dll" } else { "libcudnn.so.9" }).map_err(ort::Error::new)?;
        Ok(LOADED.get_or_init(|| api))
    }

    fn open(name: &str) -> Result<Self, String> {
        // SAFETY: the name is that of cuDNN 9 (or of none, in a test), whose initialisers may run in any process; it is never unloaded.
        let loaded = unsafe {
            Library::new(name).and_then(|library| {
                let api = Self::of(&library);
                std::mem::forget(library);
                api
            })
        };
        // What is the matter stands in the source of the error alone.
        let reason = |e: libloading::Error| e.source().map_or_else(|| e.to_string(), ToString::to_string);
        loaded.map_err(|e| format!("cuDNN 9 ({name}) cannot be used: {}; \"sdp doctor\" says what is missing", reason(e)))
    }

    /// The status of a call as a result.
    pub fn check(&self, call: &str, status: c_int) -> ort::Result<()> {
        if status == SUCCESS {
            return Ok(());
        }
        // SAFETY: the function gives a text that lives as long as the library, for any number.
        let text = unsafe { CStr::from_ptr((self.cudnnGetErrorString)(status)) };
        Err(ort::Error::new(format!("{call} of cuDNN failed: {} ({status})", text.to_string_lossy())))
    }
}

/// Calls a function of cuDNN by its name and turns its status into a result.
macro_rules! call {
    ($api:expr, $name:ident($($argument:expr),* $(,)?)) => {{
        let api: &Api = $api;
        api.check(stringify!($name), (api.$name)($($argument),*))
    }};
}
pub(super) use call;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_missing_is_named() {
        let Err(error) = Api::open("libcudnn-none.so.9") else { panic!("there is such a library") };
        assert!(error.starts_with("cuDNN 9 (libcudnn-none.so.9) cannot be used: "), "{error}");
        assert!(error.matches("libcudnn-none.so.9").count() > 1, "the system's reason is missing: {error}");
    }
}
