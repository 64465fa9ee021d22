//! Node-API surface of the engine: conversions only. Types and meanings are those of src-main/native.ts, field by field.

mod convert;
pub mod data;
mod device;
pub mod hold;
pub mod log;
pub mod nvidia;
pub mod store;
pub mod timing;
pub mod tokenizer;

use std::path::PathBuf;

use napi::bindgen_prelude::{AsyncTask, Uint8Array};
use napi::{Env, Task};
use napi_derive::napi;
use sdp_core::device::{Device, guarded};
use sdp_core::error::{Error, Result};
use sdp_core::{process, provider, runtime};

use convert::{DeviceOptions, device_kind, raise};
use device::NativeDevice;

/// Must equal `nativeVersion` of src-main/native.ts.
const INTERFACE_VERSION: u32 = 13;

#[napi]
pub fn interface_version() -> u32 {
    INTERFACE_VERSION
}

#[napi(ts_return_type = "Promise<NativeDevice>")]
pub fn open_device(options: DeviceOptions) -> AsyncTask<OpenDevice> {
    AsyncTask::new(OpenDevice(options.try_into()))
}

pub struct OpenDevice(Result<sdp_core::spec::DeviceOptions>);

impl Task for OpenDevice {
    type Output = Device;
    type JsValue = NativeDevice;

    fn compute(&mut self) -> napi::Result<Device> {
        guarded(|| Device::open(self.0.as_ref().map_err(Error::clone)?)).map_err(raise)
    }

    fn resolve(&mut self, _env: Env, device: Device) -> napi::Result<NativeDevice> {
        Ok(NativeDevice::new(device))
    }
}

#[napi(ts_return_type = "Promise<string | null>")]
pub fn probe_device(runtime_library: String, kind: String, index: i64, onnx: Uint8Array, preload: Vec<String>) -> AsyncTask<ProbeDevice> {
    let preload = preload.into_iter().map(Into::into).collect();
    AsyncTask::new(ProbeDevice { runtime_library: runtime_library.into(), kind, index: index as usize, onnx: onnx.to_vec(), preload })
}

pub struct ProbeDevice {
    runtime_library: PathBuf,
    kind: String,
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
            provider::probe(&environment, &self.runtime_library, device_kind(&self.kind)?, self.index, &self.onnx, &self.preload)
        })
        .map_err(raise)
    }

    fn resolve(&mut self, _env: Env, name: Option<String>) -> napi::Result<Option<String>> {
        Ok(name)
    }
}

#[napi(object)]
pub struct CpuDescription {
    pub name: String,
    pub physical_cores: u32,
    pub logical_cores: u32,
    pub memory_bytes: f64,
}

#[napi]
pub fn describe_cpu() -> CpuDescription {
    let cpu = process::describe_cpu();
    CpuDescription {
        name: cpu.name,
        physical_cores: cpu.physical_cores as u32,
        logical_cores: cpu.logical_cores as u32,
        memory_bytes: cpu.memory_bytes as f64,
    }
}
