//! What the app asks of the engine and what it answers, as plain records. The types of JavaScript, and the schemas that messages between
//! processes are checked with, are made from the derives here (binding/src/record.rs); nobody writes them by hand.
//!
//! Sizes of tensors count scalars (float32), memory is in bytes, times are in milliseconds.

use std::path::PathBuf;

use schemars::JsonSchema;
use sdp_data::augment;
use sdp_data::options::Resize;
use serde::{Deserialize, Serialize, Serializer};

use crate::optimizer::OptimizerSpec;

/// Writes a count as a JavaScript number, which 64 bits without a sign would not be.
pub(crate) fn number<S: Serializer>(count: &(impl Copy + TryInto<i64>), serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64((*count).try_into().unwrap_or(i64::MAX))
}

pub(crate) fn optional_number<S: Serializer>(count: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    count.map(|count| count as i64).serialize(serializer)
}

/// Where micro-batches come from.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BatchSource {
    /// Folder of the split, or the file of a case.
    pub path: PathBuf,
    /// Seed of the sampling order: a permutation per epoch, keyed by (seed, epoch). The last incomplete global batch of an epoch is left out.
    pub seed: u64,
    pub num_workers: usize,
    /// Samples that a worker runs at once.
    pub micro_batch: usize,
    /// Micro-batches of a worker and step; 1 for a case.
    pub accumulation: usize,
    pub reads: Reading,
}

/// What the sampling order goes by.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sampling {
    pub seed: u64,
    /// Of the split; at least those of a step.
    pub samples: usize,
    pub num_workers: usize,
    /// Samples of a worker and step.
    pub share: usize,
}

/// What is read, and how.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", rename_all_fields = "camelCase", deny_unknown_fields)]
#[expect(clippy::large_enum_variant, reason = "there are few")]
pub enum Reading {
    /// labels.npy: int64 [n], and images.npy: uint8 [n,C,H,W], or index.npy and shards.
    Images(ImageReading),
    /// tokens.npy: uint16 or uint32 [n].
    Tokens {
        /// Length T of a sample, which is the tokens [iT, iT + T) with the tokens one further as labels.
        sequence: usize,
    },
    /// batches.safetensors of a reference case: `step{t}.worker{w}.input` and `.label`.
    Case {},
}

/// How images become what the graph reads.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageReading {
    /// Per channel: input = (pixel / 255 - mean) / std.
    pub mean: Vec<f64>,
    pub std: Vec<f64>,
    /// What images become that the dataset keeps as files; absent: it has an array of them.
    pub encoded: Option<Encoded>,
    /// What is done to images; absent: nothing, they have the size that the graph reads.
    pub augmentation: Option<Augmentation>,
}

/// What images become that a dataset keeps as files. Augmentation has a size of its own; then the channels count alone.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Encoded {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub resize: Resize,
}

/// What is done to images between the dataset and the model, drawn by (seed, epoch, sample).
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    pub changes: augment::Augmentation,
    pub mixing: Mixing,
}

/// How training samples and their labels are mixed; the partner is the next sample of the epoch's order. 0 leaves a way out.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mixing {
    /// Alpha of Beta distributions.
    pub mixup: f64,
    pub cutmix: f64,
    pub label_smoothing: f64,
    /// Labels become shares of so many classes.
    pub classes: usize,
}

impl Mixing {
    /// Whether labels are shares of the classes.
    pub fn is_soft(&self) -> bool {
        self.mixup > 0.0 || self.cutmix > 0.0 || self.label_smoothing > 0.0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InputSource {
    Input,
    Label,
    Values,
    /// The evaluation copy of the buffers.
    Statistics,
    /// What the micro-batch before has left at `offset` of the worker's slab; for the first of a step 0 (parameters) or the store's values
    /// (buffers).
    Slab,
    /// Random factors.
    Draw,
}

/// Each scalar is 0 with the probability `drop`, else 1 / (1 - drop): a function of `index`, seed, step, worker and sample alone.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrawSpec {
    pub index: u64,
    pub drop: f64,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionInput {
    /// Name of the graph input, and its shape there.
    pub port: String,
    pub shape: Vec<usize>,
    pub source: InputSource,
    /// Index into the tensors of the store layout, for `values`, `statistics` (buffers only) and `slab`.
    pub tensor: Option<usize>,
    /// Rows that the graph wants, ascending; absent: all. Contiguous rows are bound in place, others gathered before each run.
    pub rows: Option<Vec<usize>>,
    pub offset: Option<usize>,
    pub draw: Option<DrawSpec>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutputTarget {
    /// The slab of the session's worker, at `offset`.
    Slab,
    /// Scalar, or [L] for L labels.
    Loss,
    /// [L,K].
    Logits,
    /// The row of the current statistics batch, at the offset of `tensor`.
    Statistics,
    /// Nobody reads it.
    None,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionOutput {
    pub port: String,
    pub shape: Vec<usize>,
    pub target: OutputTarget,
    pub offset: Option<usize>,
    pub tensor: Option<usize>,
}

/// What the graph of a session is bound to.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionSpec {
    /// The graph's file, which is no part of the record.
    #[serde(skip)]
    pub onnx: Vec<u8>,
    /// Logical worker of a training session; absent: a session over the full network.
    pub worker: Option<usize>,
    pub batch: usize,
    pub inputs: Vec<SessionInput>,
    pub outputs: Vec<SessionOutput>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    Cpu,
    WebGpu,
    Cuda,
}

/// How what a session has bound gets to a device with memory of its own, and back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Copies {
    /// In few large pieces beside everything else, where that is to be had (CUDA); else each tensor by itself.
    #[default]
    Large,
    Each,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceOptions {
    /// Absolute path of the ONNX Runtime library.
    pub runtime_library: PathBuf,
    pub store_path: PathBuf,
    /// Index of this process among the participants.
    pub participant: usize,
    pub kind: DeviceKind,
    pub index: usize,
    /// Intra-op threads of each session on a CPU device; also used for averaging and the optimizer.
    pub threads: usize,
    #[serde(default)]
    pub copies: Copies,
    /// A library in place of the CUDA driver, for tests: a CPU device then copies as if it had memory of its own.
    #[serde(skip)]
    pub driver: Option<PathBuf>,
    /// The runtime's profiles go to files whose paths begin so, one for each graph; `endProfiles` completes them.
    pub profile: Option<PathBuf>,
    /// Absolute paths of libraries that a CUDA device loads before ONNX Runtime's provider, in this order.
    pub preload: Vec<PathBuf>,
    /// Whether graphs may have the operators of the domains `sdp.cudnn` (cudnn/) and `sdp.copies` (publish.rs).
    #[serde(default)]
    pub custom_operators: bool,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrainSpec {
    /// Session ids of the logical workers of this device, ascending by worker.
    pub sessions: Vec<usize>,
    /// Steps [from, to).
    pub from: u64,
    pub to: u64,
    /// One per step.
    pub learning_rates: Vec<f64>,
    pub optimizer: OptimizerSpec,
    /// With accumulation above 1 the sessions' gradients are sums (`slab` inputs), of which the mean is taken at the end of a step.
    pub source: BatchSource,
}

/// How a training ended; the same for all participants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TrainResult {
    /// Next step to do: `to`, or an earlier one where a stop was requested or something is not finite.
    #[serde(serialize_with = "number")]
    pub step: u64,
    pub stopped: bool,
    /// Why `step` was not done: the store is as it was before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FaultKind {
    Loss,
    Gradient,
    Statistic,
    /// A parameter, or the optimizer's state of it, as the update would leave it.
    Parameter,
}

/// What is not finite in a step: of what all participants report the first by kind, worker and tensor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Fault {
    pub kind: FaultKind,
    /// Absent for `parameter`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<u32>,
    /// Absent for `loss`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tensor: Option<String>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatisticsSpec {
    pub session: usize,
    pub batches: usize,
    /// Of its training batches.
    pub source: BatchSource,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluateSpec {
    /// Session over the full network with the evaluation graph.
    pub session: usize,
    /// How statistics are re-estimated; absent: those of the store.
    pub statistics: Option<StatisticsSpec>,
    pub source: BatchSource,
    /// Samples [0, samples) of the source, in order; the last batch may be partial (labels -1 beyond).
    pub samples: usize,
}

/// Sum of losses and number of right answers over all labels, in batch order: the same for any number of devices. Images have one label,
/// sequences one per token.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EvaluateResult {
    pub loss_sum: f64,
    #[serde(serialize_with = "number")]
    pub correct: u64,
    #[serde(serialize_with = "number")]
    pub samples: u64,
    #[serde(serialize_with = "number")]
    pub labels: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InitKind {
    Constant,
    Normal,
    Uniform,
}

/// Initial content of one tensor, drawn from a generator keyed by (seed, tensor index): independent of layout and masks.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InitSpec {
    pub kind: InitKind,
    /// The constant, the standard deviation, or the bound.
    pub value: f64,
}
