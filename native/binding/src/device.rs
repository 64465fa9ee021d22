//! A device as its process holds it.

use std::collections::HashMap;

use napi::Env;
use napi::bindgen_prelude::{Float32Array, Object, ToNapiValue, Uint8Array};
use napi_derive::napi;
use sdp_core::device::{CopyReport, Device, Engine, MemorySample};
use sdp_core::error::Result;
use sdp_core::records::StepRecords;
use sdp_core::spec::{BatchSource, EvaluateSpec, SessionSpec, TrainSpec};

use crate::record::{Js, raise};

/// One device process: ONNX Runtime sessions over the shared store. What gives a promise runs on a thread of the device's own.
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
    /// Opens a session of a graph's file; its id. As every call that begins something, gives back what the last training or evaluation has used.
    #[napi(ts_return_type = "Promise<number>")]
    pub fn add_session<'env>(&self, env: &'env Env, onnx: Uint8Array, spec: Js<SessionSpec>) -> napi::Result<Object<'env>> {
        let spec = SessionSpec { onnx: onnx.to_vec(), ..spec.0 };
        self.promise(env, move |engine| engine.add_session(&spec), |id| id as u32)
    }

    #[napi(ts_return_type = "Promise<void>")]
    pub fn remove_session<'env>(&self, env: &'env Env, id: u32) -> napi::Result<Object<'env>> {
        self.promise(env, move |engine| engine.remove_session(id as usize), |()| ())
    }

    #[napi(ts_return_type = "Promise<TrainResult>")]
    pub fn train<'env>(&self, env: &'env Env, spec: Js<TrainSpec>) -> napi::Result<Object<'env>> {
        self.promise(env, move |engine| engine.train(&spec.0), Js)
    }

    /// Step records since the last drain.
    #[napi]
    pub fn drain_records(&self) -> Js<StepRecords> {
        Js(self.device.drain_records())
    }

    #[napi(ts_return_type = "Promise<EvaluateResult>")]
    pub fn evaluate<'env>(&self, env: &'env Env, spec: Js<EvaluateSpec>) -> napi::Result<Object<'env>> {
        self.promise(env, move |engine| engine.evaluate(&spec.0), Js)
    }

    /// Logits of samples [0, count) of the source under the statistics of the last evaluate (running ones if `session` binds values); row-major
    /// [L, K] with the labels of these samples.
    #[napi(ts_return_type = "Promise<Float32Array>")]
    pub fn logits<'env>(&self, env: &'env Env, session: u32, source: Js<BatchSource>, count: u32) -> napi::Result<Object<'env>> {
        self.promise(env, move |engine| engine.logits(session as usize, &source.0, count as usize), Float32Array::new)
    }

    #[napi]
    pub fn memory(&self) -> Js<MemorySample> {
        Js(self.device.memory())
    }

    /// What the runtime has counted of the device's memory by the end of the last call, in bytes and numbers by its own names (InUse, MaxInUse,
    /// TotalAllocated, NumAllocs, ...), summed over the graphs. Empty on the CPU, whose sessions share an arena (`memory`).
    #[napi(ts_return_type = "Record<string, number>")]
    pub fn allocator_statistics(&self) -> HashMap<String, f64> {
        self.device.allocator_statistics().into_iter().collect()
    }

    /// Graphs that the runtime has: sessions of equal ones share one.
    #[napi]
    pub fn num_graphs(&self) -> u32 {
        self.device.num_graphs() as u32
    }

    #[napi]
    pub fn copy_report(&self) -> Js<CopyReport> {
        Js(self.device.copy_report())
    }

    /// Ends the profiles of all graphs and gives their files; none where `profile` was not given, or a second time.
    #[napi(ts_return_type = "Promise<string[]>")]
    pub fn end_profiles<'env>(&self, env: &'env Env) -> napi::Result<Object<'env>> {
        self.promise(env, |engine| engine.end_profiles(), |files| files)
    }

    /// Ends the call in progress. A second call does nothing.
    #[napi]
    pub fn close(&self) {
        self.device.close();
    }
}
