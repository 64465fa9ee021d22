//! The sampling order as the main process checks it.

use std::ops::Range;

use napi::bindgen_prelude::{AsyncTask, Float64Array};
use napi::{Env, Task};
use napi_derive::napi;
use sdp_core::device::guarded;
use sdp_core::sampling::Order;
use sdp_core::spec::Sampling;

use crate::record::{Js, raise};

/// What the checksums of all workers add up to, in each of the steps [from, to).
#[napi(ts_return_type = "Promise<Float64Array>")]
pub fn sample_checksums(sampling: Js<Sampling>, from: i64, to: i64) -> AsyncTask<Checksums> {
    AsyncTask::new(Checksums { sampling: sampling.0, steps: from as u64..to as u64 })
}

pub struct Checksums {
    sampling: Sampling,
    steps: Range<u64>,
}

impl Task for Checksums {
    type Output = Vec<f64>;
    type JsValue = Float64Array;

    fn compute(&mut self) -> napi::Result<Vec<f64>> {
        let sums = || Order::of(&self.sampling).map(|mut order| self.steps.clone().map(|step| order.checksum(step)).collect());
        guarded(sums).map_err(raise)
    }

    fn resolve(&mut self, _env: Env, sums: Vec<f64>) -> napi::Result<Float64Array> {
        Ok(sums.into())
    }
}
