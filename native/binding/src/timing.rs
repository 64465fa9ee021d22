//! Timing of one graph.

use napi::bindgen_prelude::{AsyncTask, Float32Array, Uint8Array};
use napi::{Env, Task};
use napi_derive::napi;
use sdp_core::device::guarded;
use sdp_core::timing::{self, TimingOptions};

use crate::record::{Js, raise};

#[napi(object)]
pub struct GraphTiming {
    /// One per repeat, at least three, but no more once they took a second; inputs and outputs stay on the device. On WebGPU reading the smallest
    /// output back is counted in, since nothing else waits for a run.
    pub ms: Vec<f64>,
    /// After the last run, in the graph's order.
    pub outputs: Vec<Float32Array>,
}

/// Runs a graph `warmUps` times, then times `repeats` runs. Takes a session's memory until it is done.
#[napi(ts_return_type = "Promise<GraphTiming>")]
pub fn time_graph(onnx: Uint8Array, options: Js<TimingOptions>) -> AsyncTask<TimeGraph> {
    AsyncTask::new(TimeGraph(TimingOptions { onnx: onnx.to_vec(), ..options.0 }))
}

pub struct TimeGraph(TimingOptions);

impl Task for TimeGraph {
    type Output = timing::Timing;
    type JsValue = GraphTiming;

    fn compute(&mut self) -> napi::Result<timing::Timing> {
        guarded(|| timing::time_graph(&self.0)).map_err(raise)
    }

    fn resolve(&mut self, _env: Env, timing: timing::Timing) -> napi::Result<GraphTiming> {
        Ok(GraphTiming { ms: timing.ms, outputs: timing.outputs.into_iter().map(Float32Array::new).collect() })
    }
}
