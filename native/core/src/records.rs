//! Step records as columns; one row per step and logical worker of a device.

use schemars::JsonSchema;
use serde::Serialize;

/// Step records since the last drain, as columns; one row per step and logical worker of this device.
#[derive(Debug, Default, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepRecords {
    pub step: Vec<f64>,
    pub worker: Vec<f64>,
    /// Mean over the micro-batches.
    pub loss: Vec<f64>,
    /// Global norm of the averaged gradient before clipping; the same in every row of a step.
    pub grad_norm: Vec<f64>,
    /// Checksum of the samples that the worker has read (sampling.rs).
    pub samples: Vec<f64>,
    /// Running the session.
    pub compute_ms: Vec<f64>,
    /// Waiting for others, averaging and updating; shared by the workers of a device.
    pub sync_ms: Vec<f64>,
    /// Waiting for data.
    pub data_ms: Vec<f64>,
    /// In copies between host and device, or waiting for them; part of computeMs, but for what was begun in syncMs of the step before. 0 on the
    /// CPU.
    pub copy_ms: Vec<f64>,
}

/// What one worker contributed to a step.
#[derive(Debug, Clone, Copy)]
pub struct WorkerStep {
    pub worker: usize,
    pub loss: f64,
    pub samples: u32,
    pub compute_ms: f64,
    pub data_ms: f64,
    /// In copies between host and device, or waiting for them; part of `compute_ms`, but for what was begun at the end of the step before.
    pub copy_ms: f64,
}

impl StepRecords {
    pub fn push(&mut self, step: u64, workers: &[WorkerStep], grad_norm: f64, sync_ms: f64) {
        for row in workers {
            self.step.push(step as f64);
            self.worker.push(row.worker as f64);
            self.loss.push(row.loss);
            self.grad_norm.push(grad_norm);
            self.samples.push(row.samples.into());
            self.compute_ms.push(row.compute_ms);
            self.sync_ms.push(sync_ms);
            self.data_ms.push(row.data_ms);
            self.copy_ms.push(row.copy_ms);
        }
    }
}
