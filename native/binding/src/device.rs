//! A device as its process holds it.

use std::collections::HashMap;

use napi::Env;
use napi::bindgen_prelude::{Float32Array, Object, ToNapiValue};
use napi_derive::napi;
use sdp_core::device::{Device, Engine};
use sdp_core::error::Result;

use crate::convert::{
    BatchSource, CopyReport, EvaluateResult, EvaluateSpec, MemorySample, SessionSpec, StepRecords, TrainResult, TrainSpec, raise,
};

#[napi]
pub struct NativeDevice {
    device: Device,
}

impl NativeDevice {
    pub fn new(device: Device) -> Self {
        Self { device }
    }

    /// A promise for work on the device's thread; its result is converted on the JavaScript thread.
    fn promise<'env, T: Send + 'static, J: ToNapiValue + 'static>(
        &self,
        env: &'env Env,
        work: impl FnOnce(&mut Engine) -> Result<T> + Send + 'static,
        convert: fn(T) -> J,
    ) -> napi::Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred()?;
        self.device.call(work, move |result| match result {
            Ok(value) => deferred.resolve(move |_| Ok(convert(value))),
            Err(error) => deferred.reject(raise(error)),
        });
        Ok(promise)
    }
}

#[napi]
impl NativeDevice {
    #[napi(ts_return_type = "Promise<number>")]
    pub fn add_session<'env>(&self, env: &'env Env, spec: SessionSpec) -> napi::Result<Object<'env>> {
        let spec = spec.try_into();
        self.promise(env, move |engine| engine.add_session(&spec?), |id| id as u32)
    }

    #[napi(ts_return_type = "Promise<void>")]
    pub fn remove_session<'env>(&self, env: &'env Env, id: u32) -> napi::Result<Object<'env>> {
        self.promise(env, move |engine| engine.remove_session(id as usize), |()| ())
    }

    #[napi(ts_return_type = "Promise<TrainResult>")]
    pub fn train<'env>(&self, env: &'env Env, spec: TrainSpec) -> napi::Result<Object<'env>> {
        let spec = spec.try_into();
        self.promise(env, move |engine| engine.train(&spec?), TrainResult::from)
    }

    #[napi]
    pub fn drain_records(&self) -> StepRecords {
        self.device.drain_records().into()
    }

    #[napi(ts_return_type = "Promise<EvaluateResult>")]
    pub fn evaluate<'env>(&self, env: &'env Env, spec: EvaluateSpec) -> napi::Result<Object<'env>> {
        let spec = spec.try_into();
        self.promise(env, move |engine| engine.evaluate(&spec?), EvaluateResult::from)
    }

    #[napi(ts_return_type = "Promise<Float32Array>")]
    pub fn logits<'env>(&self, env: &'env Env, session: u32, source: BatchSource, count: u32) -> napi::Result<Object<'env>> {
        let source = source.try_into();
        self.promise(env, move |engine| engine.logits(session as usize, &source?, count as usize), Float32Array::new)
    }

    #[napi]
    pub fn memory(&self) -> MemorySample {
        self.device.memory().into()
    }

    #[napi(ts_return_type = "Record<string, number>")]
    pub fn allocator_statistics(&self) -> HashMap<String, f64> {
        self.device.allocator_statistics().into_iter().collect()
    }

    #[napi]
    pub fn num_graphs(&self) -> u32 {
        self.device.num_graphs() as u32
    }

    #[napi]
    pub fn copy_report(&self) -> CopyReport {
        self.device.copy_report().into()
    }

    #[napi(ts_return_type = "Promise<string[]>")]
    pub fn end_profiles<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        self.promise(env, |engine| engine.end_profiles(), |files| files)
    }

    #[napi]
    pub fn close(&self) {
        self.device.close();
    }
}
