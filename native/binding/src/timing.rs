//! Timing of one graph.

use napi::bindgen_prelude::{AsyncTask, Float32Array, Uint8Array};
use napi::{Env, Task};
use napi_derive::napi;
use sdp_core::device::guarded;
use sdp_core::error::{Error, Result};
use sdp_core::timing;

use crate::convert::{device_kind, index, raise};

#[napi(object)]
pub struct TimeGraphOptions {
    pub runtime_library: String,
    pub preload: Vec<String>,
    pub kind: String,
    pub index: i64,
    pub threads: i64,
    pub custom_ops: bool,
    pub onnx: Uint8Array,
    pub warm_ups: i64,
    pub repeats: i64,
    pub seed: i64,
}

impl TryFrom<TimeGraphOptions> for timing::TimingOptions {
    type Error = Error;

    fn try_from(options: TimeGraphOptions) -> Result<Self> {
        Ok(Self {
            runtime_library: options.runtime_library.into(),
            preload: options.preload.into_iter().map(Into::into).collect(),
            kind: device_kind(&options.kind)?,
            index: index(options.index)?,
            threads: index(options.threads)?,
            custom_operators: options.custom_ops,
            onnx: options.onnx.to_vec(),
            warm_ups: index(options.warm_ups)?,
            repeats: index(options.repeats)?,
            seed: options.seed as u64,
        })
    }
}

#[napi(object)]
pub struct GraphTiming {
    pub ms: Vec<f64>,
    pub outputs: Vec<Float32Array>,
}

#[napi(ts_return_type = "Promise<GraphTiming>")]
pub fn time_graph(options: TimeGraphOptions) -> AsyncTask<TimeGraph> {
    AsyncTask::new(TimeGraph(options.try_into()))
}

pub struct TimeGraph(Result<timing::TimingOptions>);

impl Task for TimeGraph {
    type Output = timing::Timing;
    type JsValue = GraphTiming;

    fn compute(&mut self) -> napi::Result<timing::Timing> {
        guarded(|| timing::time_graph(self.0.as_ref().map_err(Error::clone)?)).map_err(raise)
    }

    fn resolve(&mut self, _env: Env, timing: timing::Timing) -> napi::Result<GraphTiming> {
        Ok(GraphTiming { ms: timing.ms, outputs: timing.outputs.into_iter().map(Float32Array::new).collect() })
    }
}
