//! Micro-batches from a dataset folder (.npy arrays) or from the batches of a reference case (safetensors), both mapped, not read.
//!
//! Images are told in images.rs. Tokens are cut into sequences of equal length; the label of each token is the next one. While a step
//! runs, a thread prepares the micro-batches of the next one.

use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};

use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};

use crate::error::{Error, Result, ensure};
use crate::images::Images;
use crate::npy::Npy;
use crate::sampling::{Draw, Order, checksum};
use crate::spec::{BatchSource, Reading};
use crate::store::mapping::map_file;

/// Samples in the element type of the source: images or tokens.
#[derive(Debug, Clone, PartialEq)]
pub enum Samples {
    F32(Vec<f32>),
    I64(Vec<i64>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    pub samples: Samples,
    pub labels: Vec<i64>,
    /// Soft labels: the share of each class, a row per sample. Empty where labels are not.
    pub shares: Vec<f32>,
    /// Of a training batch of a dataset: which samples it has (sampling.rs); else 0.
    pub checksum: u32,
}

/// An opened source.
pub enum Loader {
    Dataset(Dataset),
    Case(Case),
}

/// Where the samples of a dataset come from.
enum Content {
    Images(Box<Images>),
    Tokens(Tokens),
}

impl Loader {
    pub fn open(source: &BatchSource) -> Result<Self> {
        let content = match &source.reads {
            Reading::Images(of) => Content::Images(Box::new(Images::open(&source.path, source.seed, of)?)),
            Reading::Tokens { sequence } => Content::Tokens(Tokens::open(&source.path, *sequence)?),
            Reading::Case {} => return Case::open(source).map(Self::Case),
        };
        Ok(Self::Dataset(Dataset::new(source, content)))
    }

    /// Micro-batch `part` of a worker at a training step.
    pub fn micro_batch(&mut self, step: u64, worker: usize, part: usize) -> Result<Batch> {
        match self {
            Self::Dataset(dataset) => dataset.micro_batch(step, worker, part),
            Self::Case(case) => case.micro_batch(step, worker, part),
        }
    }

    /// Statistics batch `index` of `size` samples.
    pub fn statistics_batch(&mut self, index: usize, size: usize) -> Result<Batch> {
        match self {
            Self::Dataset(dataset) => dataset.statistics_batch(index, size),
            Self::Case(case) => case.batch((index / case.num_workers) as u64, index % case.num_workers),
        }
    }

    /// Samples [index * size, (index + 1) * size) in the source's own order, as far as they are below `samples`; labels -1 beyond.
    pub fn ordered_batch(&mut self, index: usize, size: usize, samples: usize) -> Result<Batch> {
        match self {
            Self::Dataset(dataset) => dataset.ordered_batch(index, size, samples),
            Self::Case(case) => case.ordered_batch(index, size, samples),
        }
    }
}

/// Samples of a dataset in the order of sampling or in their own.
pub struct Dataset {
    content: Content,
    order: Order,
    micro_batch: usize,
    global_batch: usize,
    path: String,
}

impl Dataset {
    fn new(source: &BatchSource, content: Content) -> Self {
        let share = source.micro_batch * source.accumulation;
        let order = Order::new(source.seed, content.count(), source.num_workers, share);
        let (micro_batch, global_batch) = (source.micro_batch, source.num_workers * share);
        Self { content, order, micro_batch, global_batch, path: source.path.display().to_string() }
    }

    fn micro_batch(&mut self, step: u64, worker: usize, part: usize) -> Result<Batch> {
        self.require(self.global_batch, "one batch of all workers")?;
        let size = self.micro_batch;
        let (epoch, draws) = self.order.share(step, worker);
        let draws = &draws[part * size..][..size];
        let batch = self.content.training(epoch, draws)?;
        Ok(Batch { checksum: checksum(epoch, draws), ..batch })
    }

    fn statistics_batch(&mut self, index: usize, size: usize) -> Result<Batch> {
        self.require((index + 1) * size, "re-estimating statistics")?;
        let indices = self.order.statistics_batch(index, size).to_vec();
        self.content.gather(&indices, size)
    }

    fn ordered_batch(&self, index: usize, size: usize, samples: usize) -> Result<Batch> {
        self.require(samples, "evaluation")?;
        let indices: Vec<u32> = (index * size..samples.min((index + 1) * size)).map(|sample| sample as u32).collect();
        self.content.gather(&indices, size)
    }

    fn require(&self, samples: usize, what: &str) -> Result<()> {
        let count = self.content.count();
        if count >= samples {
            return Ok(());
        }
        Err(Error::Data(format!("{what} takes {samples} samples, but {} has {count}", self.path)))
    }
}

impl Content {
    fn count(&self) -> usize {
        match self {
            Self::Images(images) => images.count(),
            Self::Tokens(tokens) => tokens.count(),
        }
    }

    /// The given samples of an epoch, as they are trained on.
    fn training(&self, epoch: u64, draws: &[Draw]) -> Result<Batch> {
        match self {
            Self::Images(images) => images.training(epoch, draws),
            Self::Tokens(tokens) => Ok(tokens.gather(&draws.iter().map(|draw| draw.sample).collect::<Vec<_>>(), draws.len())),
        }
    }

    /// The given samples as they are evaluated, filled up to `size` with zeros and the label -1.
    fn gather(&self, indices: &[u32], size: usize) -> Result<Batch> {
        match self {
            Self::Images(images) => images.gather(indices, size),
            Self::Tokens(tokens) => Ok(tokens.gather(indices, size)),
        }
    }
}

/// One long row of tokens. Sample i is the tokens [i * sequence, (i + 1) * sequence); its labels are one token further.
struct Tokens {
    tokens: Npy,
    sequence: usize,
}

impl Tokens {
    fn open(folder: &Path, sequence: usize) -> Result<Self> {
        let tokens = Npy::open(&folder.join("tokens.npy"), &["<u2", "<u4"])?;
        let path = folder.display();
        if tokens.shape.len() != 1 || sequence == 0 {
            return Err(Error::Data(format!("tokens.npy in {path} must be one row of tokens, found {:?}", tokens.shape)));
        }
        let tokens = Self { tokens, sequence };
        if u32::try_from(tokens.count()).is_err() {
            return Err(Error::Data(format!("{path} has {} sequences, more than 4 billion", tokens.count())));
        }
        Ok(tokens)
    }

    fn count(&self) -> usize {
        self.tokens.shape[0].saturating_sub(1) / self.sequence
    }

    /// Tokens [start, start + length).
    fn read(&self, start: usize, length: usize) -> Vec<i64> {
        let width = self.tokens.scalar;
        let bytes = &self.tokens.data()[start * width..(start + length) * width];
        match width {
            2 => words(bytes).map(|word| u16::from_le_bytes(word).into()).collect(),
            _ => words(bytes).map(|word| u32::from_le_bytes(word).into()).collect(),
        }
    }

    fn gather(&self, indices: &[u32], size: usize) -> Batch {
        let sequence = self.sequence;
        let (mut samples, mut labels) = (vec![0; size * sequence], vec![-1; size * sequence]);
        let targets = samples.chunks_exact_mut(sequence).zip(labels.chunks_exact_mut(sequence));
        for ((sample, label), &index) in targets.zip(indices) {
            let tokens = self.read(index as usize * sequence, sequence + 1);
            sample.copy_from_slice(&tokens[..sequence]);
            label.copy_from_slice(&tokens[1..]);
        }
        self.tokens.release();
        Batch { samples: Samples::I64(samples), labels, shares: Vec::new(), checksum: 0 }
    }
}

/// Micro-batches that were recorded beforehand. In order, samples run over steps, then workers, then the rows of a micro-batch.
pub struct Case {
    file: Mmap,
    path: String,
    num_workers: usize,
}

impl Case {
    fn open(source: &BatchSource) -> Result<Self> {
        let file = map_file(&source.path, Error::Data)?;
        let case = Self { file, path: source.path.display().to_string(), num_workers: source.num_workers.max(1) };
        case.tensors()?;
        Ok(case)
    }

    fn tensors(&self) -> Result<SafeTensors<'_>> {
        SafeTensors::deserialize(&self.file).map_err(|e| Error::Data(format!("{} is not a safetensors file: {e}", self.path)))
    }

    fn micro_batch(&self, step: u64, worker: usize, part: usize) -> Result<Batch> {
        ensure(part == 0, || "the batches of a case are not cut up".into())?;
        self.batch(step, worker)
    }

    fn batch(&self, step: u64, worker: usize) -> Result<Batch> {
        let tensors = self.tensors()?;
        let find = |part: &str| {
            let name = format!("step{step}.worker{worker}.{part}");
            tensors.tensor(&name).map_err(|_| Error::Data(format!("{} has no tensor {name}", self.path)))
        };
        let (input, label) = (find("input")?, find("label")?);
        let wrong = |what: &str, found| Error::Data(format!("{what} in {} have the type {found:?}", self.path));
        let samples = match input.dtype() {
            Dtype::F32 => Samples::F32(words(input.data()).map(f32::from_le_bytes).collect()),
            Dtype::I64 => Samples::I64(words(input.data()).map(i64::from_le_bytes).collect()),
            other => return Err(wrong("inputs", other)),
        };
        match label.dtype() {
            Dtype::I64 => {
                Ok(Batch { samples, labels: words(label.data()).map(i64::from_le_bytes).collect(), shares: Vec::new(), checksum: 0 })
            }
            other => Err(wrong("labels", other)),
        }
    }

    fn ordered_batch(&self, index: usize, size: usize, samples: usize) -> Result<Batch> {
        let first = self.tensors()?.tensor("step0.worker0.input").map(|t| t.shape().first().copied().unwrap_or(0));
        if first.ok() != Some(size) {
            return Err(Error::Data(format!("the micro-batches in {} must have {size} samples to be evaluated in order", self.path)));
        }
        let mut batch = self.batch((index / self.num_workers) as u64, index % self.num_workers)?;
        let valid = samples.saturating_sub(index * size).min(size);
        let per_sample = batch.labels.len() / size.max(1);
        batch.labels[valid * per_sample..].fill(-1);
        Ok(batch)
    }
}

fn words<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.as_chunks::<N>().0.iter().copied()
}

/// Calls `body` with the micro-batches of the given workers at the steps [from, to), in the order (step, worker, part), prepared ahead by
/// a thread. Ends that thread when `body` returns.
pub fn prefetched<T>(
    mut loader: Loader,
    steps: std::ops::Range<u64>,
    workers: &[usize],
    accumulation: usize,
    body: impl FnOnce(&Receiver<Result<Batch>>) -> T,
) -> T {
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(workers.len());
        scope.spawn(move || {
            for step in steps {
                for (&worker, part) in workers.iter().flat_map(|worker| (0..accumulation).map(move |part| (worker, part))) {
                    let batch = loader.micro_batch(step, worker, part);
                    let failed = batch.is_err();
                    if sender.send(batch).is_err() || failed {
                        return;
                    }
                }
            }
        });
        let result = body(&receiver);
        drop(receiver);
        result
    })
}
