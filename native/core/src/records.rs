//! Step records as columns; one row per step and logical worker of a device. Columns are those of StepRecords in src-main/native.ts.

#[derive(Debug, Default, Clone, PartialEq)]
pub struct Records {
    pub step: Vec<f64>,
    pub worker: Vec<f64>,
    pub loss: Vec<f64>,
    pub grad_norm: Vec<f64>,
    pub compute_ms: Vec<f64>,
    pub sync_ms: Vec<f64>,
    pub data_ms: Vec<f64>,
    pub copy_ms: Vec<f64>,
}

/// What one worker contributed to a step.
#[derive(Debug, Clone, Copy)]
pub struct WorkerStep {
    pub worker: usize,
    pub loss: f64,
    pub compute_ms: f64,
    pub data_ms: f64,
    /// In copies between host and device, or waiting for them; part of `compute_ms`, but for what was begun at the end of the step before.
    pub copy_ms: f64,
}

impl Records {
    pub fn push(&mut self, step: u64, workers: &[WorkerStep], grad_norm: f64, sync_ms: f64) {
        for row in workers {
            self.step.push(step as f64);
            self.worker.push(row.worker as f64);
            self.loss.push(row.loss);
            self.grad_norm.push(grad_norm);
            self.compute_ms.push(row.compute_ms);
            self.sync_ms.push(sync_ms);
            self.data_ms.push(row.data_ms);
            self.copy_ms.push(row.copy_ms);
        }
    }
}
