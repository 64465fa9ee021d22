//! Node-API surface of the engine: conversions only. JavaScript's types of it are made from here by scripts/lib/nativeTypes.mjs.

pub mod data;
mod device;
pub mod hold;
pub mod log;
pub mod nvidia;
pub mod record;
pub mod sampling;
pub mod store;
pub mod timing;
pub mod tokenizer;

use std::path::PathBuf;

use napi::bindgen_prelude::{AsyncTask, Uint8Array};
use napi::{Env, Task};
use napi_derive::napi;
use sdp_core::device::{Device, guarded};
use sdp_core::process::{self, CpuDescription};
use sdp_core::spec::{DeviceKind, DeviceOptions};
use sdp_core::{provider, runtime};

use device::NativeDevice;
use record::{Js, raise};

/// Must equal `nativeVersion` of src-main/native.ts, and changes with what functions and records mean.
const INTERFACE_VERSION: u32 = 18;

/// Version of this interface.
#[napi]
pub fn interface_version() -> u32 {
    INTERFACE_VERSION
}

#[napi(ts_return_type = "Promise<NativeDevice>")]
pub fn open_device(options: Js<DeviceOptions>) -> AsyncTask<OpenDevice> {
    AsyncTask::new(OpenDevice(options.0))
}

pub struct OpenDevice(DeviceOptions);

impl Task for OpenDevice {
    type Output = Device;
    type JsValue = NativeDevice;

    fn compute(&mut self) -> napi::Result<Device> {
        guarded(|| Device::open(&self.0)).map_err(raise)
    }

    fn resolve(&mut self, _env: Env, device: Device) -> napi::Result<NativeDevice> {
        Ok(NativeDevice::new(device))
    }
}

/// Runs a graph (`y` from `x`, both float32 [1]) on a device of this process; the name of its vendor where the system tells it. Fails with a
/// `device` error, or takes the process with it where a driver is broken: to be called in a process made for it.
#[napi(ts_return_type = "Promise<string | null>")]
pub fn probe_device(
    runtime_library: String,
    kind: Js<DeviceKind>,
    index: u32,
    onnx: Uint8Array,
    preload: Vec<String>,
) -> AsyncTask<ProbeDevice> {
    let preload = preload.into_iter().map(Into::into).collect();
    AsyncTask::new(ProbeDevice {
        runtime_library: runtime_library.into(),
        kind: kind.0,
        index: index as usize,
        onnx: onnx.to_vec(),
        preload,
    })
}

pub struct ProbeDevice {
    runtime_library: PathBuf,
    kind: DeviceKind,
    index: usize,
    onnx: Vec<u8>,
    preload: Vec<PathBuf>,
}

impl Task for ProbeDevice {
    type Output = Option<String>;
    type JsValue = Option<String>;

    fn compute(&mut self) -> napi::Result<Option<String>> {
        guarded(|| {
            let environment = runtime::environment(&self.runtime_library)?;
            provider::probe(&environment, &self.runtime_library, self.kind, self.index, &self.onnx, &self.preload)
        })
        .map_err(raise)
    }

    fn resolve(&mut self, _env: Env, name: Option<String>) -> napi::Result<Option<String>> {
        Ok(name)
    }
}

#[napi]
pub fn describe_cpu() -> Js<CpuDescription> {
    Js(process::describe_cpu())
}
