//! Records of src-main/native.ts as JavaScript objects, and their way into the records of the core and back.

use std::collections::HashMap;

use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use sdp_core::error::{Error, Result};
use sdp_core::optimizer::{self, OptimizerKind};
use sdp_core::{device, norms, records, spec, state};
use sdp_data::augment;

/// An error of the core as JavaScript sees it: `code: sentence`.
pub fn raise(error: Error) -> napi::Error {
    napi::Error::from_reason(error.to_string())
}

fn unknown<T>(what: &str, found: &str) -> Result<T> {
    Err(Error::Internal(format!("unknown {what} {found:?}")))
}

pub fn index(number: i64) -> Result<usize> {
    usize::try_from(number).map_err(|_| Error::Internal(format!("index or size {number}")))
}

fn indices(numbers: &[i64]) -> Result<Vec<usize>> {
    numbers.iter().copied().map(index).collect()
}

#[napi(object)]
pub struct OptimizerSpec {
    pub kind: String,
    pub momentum: f64,
    pub nesterov: bool,
    pub weight_decay: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub clip_global_norm: f64,
}

impl TryFrom<OptimizerSpec> for optimizer::OptimizerSpec {
    type Error = Error;

    fn try_from(spec: OptimizerSpec) -> Result<Self> {
        let kind = match &*spec.kind {
            "sgd" => OptimizerKind::Sgd,
            "adamw" => OptimizerKind::AdamW,
            other => return unknown("optimizer", other),
        };
        let OptimizerSpec { momentum, nesterov, weight_decay, beta1, beta2, eps, clip_global_norm, .. } = spec;
        Ok(Self { kind, momentum, nesterov, weight_decay, beta1, beta2, eps, clip_global_norm })
    }
}

#[napi(object)]
pub struct BatchSource {
    pub kind: String,
    pub path: String,
    pub mean: Vec<f64>,
    pub std: Vec<f64>,
    pub seed: i64,
    pub num_workers: i64,
    pub micro_batch: i64,
    pub accumulation: i64,
    pub sequence: i64,
    pub encoded: Option<Encoded>,
    pub augmentation: Option<Augmentation>,
}

#[napi(object)]
pub struct Encoded {
    pub channels: i64,
    pub height: i64,
    pub width: i64,
    pub resize: String,
}

impl TryFrom<Encoded> for spec::Encoded {
    type Error = Error;

    fn try_from(of: Encoded) -> Result<Self> {
        let resize = serde_json::from_value(of.resize.into()).map_err(|error| Error::Internal(format!("resizing: {error}")))?;
        Ok(Self { channels: index(of.channels)?, height: index(of.height)?, width: index(of.width)?, resize })
    }
}

#[napi(object)]
pub struct Augmentation {
    pub height: i64,
    pub width: i64,
    pub evaluation_resize: i64,
    pub resized_crop: f64,
    pub crop_padding: i64,
    pub flip: f64,
    pub brightness: f64,
    pub contrast: f64,
    pub saturation: f64,
    pub hue: f64,
    pub rand_augment: i64,
    pub magnitude: i64,
    pub mixup: f64,
    pub cutmix: f64,
    pub label_smoothing: f64,
    pub classes: i64,
}

impl TryFrom<Augmentation> for (augment::Augmentation, spec::Mixing) {
    type Error = Error;

    fn try_from(of: Augmentation) -> Result<Self> {
        let Augmentation { resized_crop, flip, brightness, contrast, saturation, hue, mixup, cutmix, label_smoothing, .. } = of;
        let augmentation = augment::Augmentation {
            height: index(of.height)?,
            width: index(of.width)?,
            resized_crop,
            crop_padding: index(of.crop_padding)?,
            flip,
            brightness,
            contrast,
            saturation,
            hue,
            rand_augment: index(of.rand_augment)?,
            magnitude: index(of.magnitude)?,
            evaluation_resize: index(of.evaluation_resize)?,
        };
        Ok((augmentation, spec::Mixing { mixup, cutmix, label_smoothing, classes: index(of.classes)? }))
    }
}

impl TryFrom<BatchSource> for spec::BatchSource {
    type Error = Error;

    fn try_from(source: BatchSource) -> Result<Self> {
        let kind = match &*source.kind {
            "images" => spec::SourceKind::Images,
            "tokens" => spec::SourceKind::Tokens,
            "case" => spec::SourceKind::Case,
            other => return unknown("source", other),
        };
        Ok(Self {
            kind,
            path: source.path.into(),
            mean: source.mean,
            std: source.std,
            seed: source.seed as u64,
            num_workers: index(source.num_workers)?,
            micro_batch: index(source.micro_batch)?,
            accumulation: index(source.accumulation)?,
            sequence: index(source.sequence)?,
            encoded: source.encoded.map(TryInto::try_into).transpose()?,
            augmentation: source.augmentation.map(TryInto::try_into).transpose()?,
        })
    }
}

#[napi(object)]
pub struct InitSpec {
    pub kind: String,
    pub value: f64,
}

impl TryFrom<InitSpec> for spec::InitSpec {
    type Error = Error;

    fn try_from(init: InitSpec) -> Result<Self> {
        let kind = match &*init.kind {
            "constant" => spec::InitKind::Constant,
            "normal" => spec::InitKind::Normal,
            "uniform" => spec::InitKind::Uniform,
            other => return unknown("initial values", other),
        };
        Ok(Self { kind, value: init.value })
    }
}

#[napi(object)]
pub struct DrawSpec {
    pub index: i64,
    pub drop: f64,
}

#[napi(object)]
pub struct SessionInput {
    pub port: String,
    pub shape: Vec<i64>,
    pub source: String,
    pub tensor: Option<i64>,
    pub rows: Option<Vec<i64>>,
    pub offset: Option<i64>,
    pub draw: Option<DrawSpec>,
}

impl TryFrom<SessionInput> for spec::SessionInput {
    type Error = Error;

    fn try_from(input: SessionInput) -> Result<Self> {
        let source = match &*input.source {
            "input" => spec::InputSource::Input,
            "label" => spec::InputSource::Label,
            "values" => spec::InputSource::Values,
            "statistics" => spec::InputSource::Statistics,
            "slab" => spec::InputSource::Slab,
            "draw" => spec::InputSource::Draw,
            other => return unknown("input source", other),
        };
        let rows = input.rows.as_deref().map(indices).transpose()?;
        let (tensor, offset) = (input.tensor.map(index).transpose()?, input.offset.map(index).transpose()?);
        let draw = input.draw.map(|draw| spec::DrawSpec { index: draw.index as u64, drop: draw.drop });
        Ok(Self { port: input.port, shape: indices(&input.shape)?, source, tensor, rows, offset, draw })
    }
}

#[napi(object)]
pub struct SessionOutput {
    pub port: String,
    pub shape: Vec<i64>,
    pub target: String,
    pub offset: Option<i64>,
    pub tensor: Option<i64>,
}

impl TryFrom<SessionOutput> for spec::SessionOutput {
    type Error = Error;

    fn try_from(output: SessionOutput) -> Result<Self> {
        let target = match &*output.target {
            "slab" => spec::OutputTarget::Slab,
            "loss" => spec::OutputTarget::Loss,
            "logits" => spec::OutputTarget::Logits,
            "statistics" => spec::OutputTarget::Statistics,
            "none" => spec::OutputTarget::None,
            other => return unknown("output target", other),
        };
        let (offset, tensor) = (output.offset.map(index).transpose()?, output.tensor.map(index).transpose()?);
        Ok(Self { port: output.port, shape: indices(&output.shape)?, target, offset, tensor })
    }
}

#[napi(object)]
pub struct SessionSpec {
    pub onnx: Uint8Array,
    pub worker: i64,
    pub batch: i64,
    pub inputs: Vec<SessionInput>,
    pub outputs: Vec<SessionOutput>,
}

impl TryFrom<SessionSpec> for spec::SessionSpec {
    type Error = Error;

    fn try_from(session: SessionSpec) -> Result<Self> {
        Ok(Self {
            onnx: session.onnx.to_vec(),
            worker: usize::try_from(session.worker).ok(),
            batch: index(session.batch)?,
            inputs: session.inputs.into_iter().map(TryInto::try_into).collect::<Result<_>>()?,
            outputs: session.outputs.into_iter().map(TryInto::try_into).collect::<Result<_>>()?,
        })
    }
}

#[napi(object)]
pub struct DeviceOptions {
    pub runtime_library: String,
    pub store_path: String,
    pub participant: i64,
    pub kind: String,
    pub index: i64,
    pub threads: i64,
    pub copies: Option<String>,
    pub profile: Option<String>,
    pub preload: Vec<String>,
    pub custom_ops: Option<bool>,
}

impl TryFrom<DeviceOptions> for spec::DeviceOptions {
    type Error = Error;

    fn try_from(options: DeviceOptions) -> Result<Self> {
        let kind = device_kind(&options.kind)?;
        let copies = match options.copies.as_deref() {
            None | Some("large") => spec::Copies::Large,
            Some("each") => spec::Copies::Each,
            Some(other) => return unknown("way of copying", other),
        };
        Ok(Self {
            runtime_library: options.runtime_library.into(),
            store_path: options.store_path.into(),
            participant: index(options.participant)?,
            kind,
            index: index(options.index)?,
            threads: index(options.threads)?,
            copies,
            driver: None,
            profile: options.profile.map(Into::into),
            preload: options.preload.into_iter().map(Into::into).collect(),
            custom_operators: options.custom_ops.unwrap_or(false),
        })
    }
}

pub fn device_kind(name: &str) -> Result<spec::DeviceKind> {
    match name {
        "cpu" => Ok(spec::DeviceKind::Cpu),
        "webgpu" => Ok(spec::DeviceKind::WebGpu),
        "cuda" => Ok(spec::DeviceKind::Cuda),
        other => unknown("device", other),
    }
}

#[napi(object)]
pub struct TrainSpec {
    pub sessions: Vec<i64>,
    pub from: i64,
    pub to: i64,
    pub learning_rates: Vec<f64>,
    pub optimizer: OptimizerSpec,
    pub source: BatchSource,
}

impl TryFrom<TrainSpec> for spec::TrainSpec {
    type Error = Error;

    fn try_from(train: TrainSpec) -> Result<Self> {
        Ok(Self {
            sessions: indices(&train.sessions)?,
            from: index(train.from)? as u64,
            to: index(train.to)? as u64,
            learning_rates: train.learning_rates,
            optimizer: train.optimizer.try_into()?,
            source: train.source.try_into()?,
        })
    }
}

#[napi(object)]
pub struct TrainResult {
    pub step: f64,
    pub stopped: bool,
    pub fault: Option<Fault>,
}

#[napi(object)]
pub struct Fault {
    pub kind: String,
    pub worker: Option<u32>,
    pub tensor: Option<String>,
}

impl From<spec::TrainResult> for TrainResult {
    fn from(result: spec::TrainResult) -> Self {
        let fault = result.fault.map(|spec::Fault { kind, worker, tensor }| Fault {
            kind: kind.into(),
            worker: worker.map(|worker| worker as u32),
            tensor,
        });
        Self { step: result.step as f64, stopped: result.stopped, fault }
    }
}

#[napi(object)]
pub struct StepRecords {
    pub step: Vec<f64>,
    pub worker: Vec<f64>,
    pub loss: Vec<f64>,
    pub grad_norm: Vec<f64>,
    pub compute_ms: Vec<f64>,
    pub sync_ms: Vec<f64>,
    pub data_ms: Vec<f64>,
    pub copy_ms: Vec<f64>,
}

impl From<records::Records> for StepRecords {
    fn from(records: records::Records) -> Self {
        let records::Records { step, worker, loss, grad_norm, compute_ms, sync_ms, data_ms, copy_ms } = records;
        Self { step, worker, loss, grad_norm, compute_ms, sync_ms, data_ms, copy_ms }
    }
}

#[napi(object)]
pub struct GradientNorms {
    pub step: f64,
    pub holders: Vec<f64>,
    pub mean: Vec<f64>,
    pub disagreement: Vec<f64>,
}

impl From<norms::GradientNorms> for GradientNorms {
    fn from(found: norms::GradientNorms) -> Self {
        let norms::GradientNorms { step, holders, mean, disagreement } = found;
        Self { step: step as f64, holders, mean, disagreement }
    }
}

#[napi(object)]
pub struct StatisticsSpec {
    pub session: i64,
    pub batches: i64,
    pub source: BatchSource,
}

impl TryFrom<StatisticsSpec> for spec::StatisticsSpec {
    type Error = Error;

    fn try_from(statistics: StatisticsSpec) -> Result<Self> {
        let (session, batches) = (index(statistics.session)?, index(statistics.batches)?);
        Ok(Self { session, batches, source: statistics.source.try_into()? })
    }
}

#[napi(object)]
pub struct EvaluateSpec {
    pub session: i64,
    pub statistics: Option<StatisticsSpec>,
    pub source: BatchSource,
    pub samples: i64,
}

impl TryFrom<EvaluateSpec> for spec::EvaluateSpec {
    type Error = Error;

    fn try_from(evaluate: EvaluateSpec) -> Result<Self> {
        Ok(Self {
            session: index(evaluate.session)?,
            statistics: evaluate.statistics.map(TryInto::try_into).transpose()?,
            source: evaluate.source.try_into()?,
            samples: index(evaluate.samples)?,
        })
    }
}

#[napi(object)]
pub struct EvaluateResult {
    pub loss_sum: f64,
    pub correct: f64,
    pub samples: f64,
    pub labels: f64,
}

impl From<spec::EvaluateResult> for EvaluateResult {
    fn from(result: spec::EvaluateResult) -> Self {
        let spec::EvaluateResult { loss_sum, correct, samples, labels } = result;
        Self { loss_sum, correct: correct as f64, samples: samples as f64, labels: labels as f64 }
    }
}

#[napi(object)]
pub struct MemorySample {
    pub resident_bytes: f64,
    pub peak_resident_bytes: f64,
    pub shared_bytes: f64,
    pub values_bytes: f64,
    pub gradients_bytes: f64,
    pub optimizer_bytes: f64,
    pub arena_peak_bytes: f64,
}

impl From<device::MemorySample> for MemorySample {
    fn from(sample: device::MemorySample) -> Self {
        Self {
            resident_bytes: sample.resident as f64,
            peak_resident_bytes: sample.peak_resident as f64,
            shared_bytes: sample.shared as f64,
            values_bytes: sample.values as f64,
            gradients_bytes: sample.gradients as f64,
            optimizer_bytes: sample.optimizer as f64,
            arena_peak_bytes: sample.arena_peak as f64,
        }
    }
}

#[napi(object)]
pub struct CopyReport {
    pub large: bool,
    pub pinned_bytes: f64,
    pub refusal: Option<String>,
}

impl From<device::CopyReport> for CopyReport {
    fn from(report: device::CopyReport) -> Self {
        Self { large: report.large, pinned_bytes: report.pinned_bytes as f64, refusal: report.refusal }
    }
}

#[napi(object)]
pub struct Int64Tensor {
    pub name: String,
    pub shape: Vec<u32>,
    pub values: Vec<i64>,
}

impl From<Int64Tensor> for state::Int64Tensor {
    fn from(tensor: Int64Tensor) -> Self {
        Self { name: tensor.name, shape: tensor.shape.into_iter().map(|extent| extent as usize).collect(), values: tensor.values }
    }
}

#[napi(object)]
pub struct WriteOptions {
    pub scales: HashMap<String, f64>,
    pub statistics: bool,
    pub int64: Vec<Int64Tensor>,
    pub metadata: HashMap<String, String>,
    pub tensors: Option<Vec<String>>,
}

impl From<WriteOptions> for state::WriteOptions {
    fn from(options: WriteOptions) -> Self {
        Self {
            scales: options.scales,
            statistics: options.statistics,
            int64: options.int64.into_iter().map(Into::into).collect(),
            metadata: options.metadata.into_iter().collect(),
            tensors: options.tensors,
        }
    }
}
