//! What the app asks of the engine, as plain records. Their meaning is told in src-main/native.ts; field by field they are the same.

use std::path::PathBuf;

use sdp_data::augment::Augmentation;
use sdp_data::options::Resize;

use crate::optimizer::OptimizerSpec;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    Images,
    Tokens,
    Case,
}

#[derive(Debug, Clone)]
pub struct BatchSource {
    pub kind: SourceKind,
    pub path: PathBuf,
    pub mean: Vec<f64>,
    pub std: Vec<f64>,
    pub seed: u64,
    pub num_workers: usize,
    pub micro_batch: usize,
    pub accumulation: usize,
    pub sequence: usize,
    /// How images are read that the dataset keeps as files; none: it has an array of them.
    pub encoded: Option<Encoded>,
    /// What is done to images; none: they are read as they are.
    pub augmentation: Option<(Augmentation, Mixing)>,
}

/// What images become that a dataset keeps as files; with augmentation that has sizes of its own, the channels count alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Encoded {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub resize: Resize,
}

/// How training samples and their labels are mixed. 0 leaves a way out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mixing {
    pub mixup: f64,
    pub cutmix: f64,
    pub label_smoothing: f64,
    pub classes: usize,
}

impl Mixing {
    /// Whether labels are shares of the classes.
    pub fn is_soft(&self) -> bool {
        self.mixup > 0.0 || self.cutmix > 0.0 || self.label_smoothing > 0.0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputSource {
    Input,
    Label,
    Values,
    Statistics,
    Slab,
    Draw,
}

#[derive(Debug, Clone, Copy)]
pub struct DrawSpec {
    pub index: u64,
    pub drop: f64,
}

#[derive(Debug, Clone)]
pub struct SessionInput {
    pub port: String,
    pub shape: Vec<usize>,
    pub source: InputSource,
    pub tensor: Option<usize>,
    pub rows: Option<Vec<usize>>,
    pub offset: Option<usize>,
    pub draw: Option<DrawSpec>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputTarget {
    Slab,
    Loss,
    Logits,
    Statistics,
    /// Nobody reads it.
    None,
}

#[derive(Debug, Clone)]
pub struct SessionOutput {
    pub port: String,
    pub shape: Vec<usize>,
    pub target: OutputTarget,
    pub offset: Option<usize>,
    pub tensor: Option<usize>,
}

#[derive(Debug, Clone)]
pub struct SessionSpec {
    pub onnx: Vec<u8>,
    /// `None`: a session over the full network.
    pub worker: Option<usize>,
    pub batch: usize,
    pub inputs: Vec<SessionInput>,
    pub outputs: Vec<SessionOutput>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    Cpu,
    WebGpu,
    Cuda,
}

/// How what a session has bound gets to a device with memory of its own, and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copies {
    /// In few large pieces beside everything else, where that is to be had (CUDA); else each tensor by itself.
    Large,
    Each,
}

#[derive(Debug, Clone)]
pub struct DeviceOptions {
    pub runtime_library: PathBuf,
    pub store_path: PathBuf,
    pub participant: usize,
    pub kind: DeviceKind,
    pub index: usize,
    pub threads: usize,
    pub copies: Copies,
    /// A library in place of the CUDA driver, for tests: a CPU device then copies as if it had memory of its own.
    pub driver: Option<PathBuf>,
    /// Sessions write the runtime's profile to files whose paths begin so.
    pub profile: Option<PathBuf>,
    pub preload: Vec<PathBuf>,
    pub custom_operators: bool,
}

#[derive(Debug, Clone)]
pub struct TrainSpec {
    pub sessions: Vec<usize>,
    pub from: u64,
    pub to: u64,
    pub learning_rates: Vec<f64>,
    pub optimizer: OptimizerSpec,
    pub source: BatchSource,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainResult {
    pub step: u64,
    pub stopped: bool,
    /// Why `step` was not done.
    pub fault: Option<Fault>,
}

/// What is not finite; see Fault in src-main/native.ts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub kind: &'static str,
    pub worker: Option<usize>,
    pub tensor: Option<String>,
}

#[derive(Debug, Clone)]
pub struct StatisticsSpec {
    pub session: usize,
    pub batches: usize,
    pub source: BatchSource,
}

#[derive(Debug, Clone)]
pub struct EvaluateSpec {
    pub session: usize,
    pub statistics: Option<StatisticsSpec>,
    pub source: BatchSource,
    pub samples: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EvaluateResult {
    pub loss_sum: f64,
    pub correct: u64,
    pub samples: u64,
    pub labels: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitKind {
    Constant,
    Normal,
    Uniform,
}

#[derive(Debug, Clone, Copy)]
pub struct InitSpec {
    pub kind: InitKind,
    pub value: f64,
}
