//! Whole runs through ONNX Runtime: devices train and evaluate a masked linear regression, checked against the same in float64.
//!
//! The model: prediction = x . w + b of images [B,1,2,2] seen as x [B,4]; `w` [1,4] is masked along axis 1, `mean` is a running statistic
//! of the pixels. Loss: mean squared error to the label. Three labels make what is computed of them not a number: ODD.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/driver.rs"]
mod driver;
#[path = "common/library.rs"]
mod library;
#[path = "common/onnx.rs"]
mod onnx;

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use common::{TestTensor, layout_json, npy};
use driver::StandIn;
use library::runtime_library;
use onnx::{Attribute, FLOAT, Graph, INT64};
use sdp_core::device::{CopyReport, Device, Engine};
use sdp_core::error::{Error, Result};
use sdp_core::init;
use sdp_core::optimizer::{OptimizerSpec, UpdateRule};
use sdp_core::sampling::Order;
use sdp_core::spec::*;
use sdp_core::store::{Area, Store};

const WORKERS: usize = 4;
const BATCH: usize = 3;
const SAMPLES: usize = 29;
const STEPS: u64 = 6;
/// Rows of `w` that each worker holds; the second and the fourth are not contiguous.
const HELD: [&[usize]; WORKERS] = [&[0, 1], &[0, 2], &[2, 3], &[1, 3]];
const EVALUATION_BATCH: usize = 8;
/// Labels that make the loss, the gradients and the statistic of their batch not a number.
const ODD: [i64; 3] = [77, 78, 79];

fn layout(participants: usize) -> String {
    let holders = |row: usize| (0..WORKERS).filter(|&w| HELD[w].contains(&row)).collect();
    let all: Vec<usize> = (0..WORKERS).collect();
    let tensors = [
        TestTensor { name: "w", kind: "parameter", shape: vec![1, 4], axis: Some(1), holders: (0..4).map(holders).collect() },
        TestTensor { name: "b", kind: "parameter", shape: vec![1], axis: None, holders: vec![all.clone()] },
        TestTensor { name: "mean", kind: "buffer", shape: vec![1], axis: None, holders: vec![all] },
    ];
    layout_json(&tensors, WORKERS, participants, &["momentum"])
}

fn pixel(sample: usize, index: usize) -> u8 {
    ((sample * 37 + index * 101 + sample * index * 13) % 256) as u8
}

fn label(sample: usize) -> i64 {
    (sample % 2) as i64
}

/// A folder with a dataset of images.
fn dataset(folder: &Path, labels: &[i64]) {
    let samples = labels.len();
    let images: Vec<u8> = (0..samples).flat_map(|sample| (0..4).map(move |index| pixel(sample, index))).collect();
    let labels: Vec<u8> = labels.iter().flat_map(|label| label.to_le_bytes()).collect();
    std::fs::write(folder.join("images.npy"), npy("|u1", &format!("{samples}, 1, 2, 2"), &images)).unwrap();
    std::fs::write(folder.join("labels.npy"), npy("<i8", &format!("{samples},"), &labels)).unwrap();
}

fn source(path: &Path) -> BatchSource {
    let reads = Reading::Images(ImageReading { mean: vec![0.4], std: vec![0.3], encoded: None, augmentation: None });
    BatchSource { path: path.to_owned(), seed: 5, num_workers: WORKERS, micro_batch: BATCH, accumulation: 1, reads }
}

fn optimizer() -> OptimizerSpec {
    OptimizerSpec { rule: UpdateRule::Momentum { momentum: 0.9, nesterov: false }, weight_decay: 1e-2, clip_global_norm: 1.5 }
}

/// `parts`: micro-batches of a worker and step.
fn train_spec(path: &Path, sessions: Vec<usize>, steps: std::ops::Range<u64>, parts: usize) -> TrainSpec {
    let learning_rates = steps.clone().map(learning_rate).collect();
    let source = BatchSource { micro_batch: BATCH / parts, accumulation: parts, ..source(path) };
    TrainSpec { sessions, from: steps.start, to: steps.end, learning_rates, optimizer: optimizer(), source }
}

fn learning_rate(step: u64) -> f64 {
    0.1 / (step + 1) as f64
}

/// x [batch, rows] of `input`, the prediction, its error and the squares of that, as values `xr`, `pred`, `err` and `sq`.
fn forward(graph: &mut Graph, batch: usize, rows: &[usize]) {
    graph.input("input", FLOAT, &[batch, 1, 2, 2]);
    graph.input("label", INT64, &[batch]);
    graph.input("w", FLOAT, &[rows.len(), 1]);
    graph.input("b", FLOAT, &[1]);
    graph.int64s("flat", &[batch as i64, 4]);
    graph.int64s("column", &[batch as i64, 1]);
    graph.int64s("line", &[batch as i64]);
    graph.int64s("one", &[1]);
    graph.int64s("rows", &rows.iter().map(|&row| row as i64).collect::<Vec<_>>());
    graph.node("Reshape", &["input", "flat"], "x", &[]);
    graph.node("Gather", &["x", "rows"], "xr", &[Attribute::Int("axis", 1)]);
    graph.node("MatMul", &["xr", "w"], "p", &[]);
    graph.node("Add", &["p", "b"], "pb", &[]);
    graph.node("Reshape", &["pb", "line"], "pred", &[]);
    graph.node("Cast", &["label"], "y", &[Attribute::Int("to", 1)]);
    graph.node("Sub", &["pred", "y"], "err", &[]);
    graph.node("Mul", &["err", "err"], "sq", &[]);
}

/// Zero for each sample, and not a number where its label is that of ODD.
fn odd(graph: &mut Graph, index: usize) -> String {
    let [label, away, odd] = ["label", "away", "odd"].map(|name| format!("{name}/{index}"));
    graph.float(&label, ODD[index] as f32);
    graph.node("Sub", &["y", &label], &away, &[]);
    graph.node("Div", &["zero", &away], &odd, &[]);
    odd
}

/// `parts` above 1: gradients are added to inputs. `publishing`: each goes up as it is finished.
fn training_graph(rows: &[usize], parts: usize, publishing: bool) -> Vec<u8> {
    let mut graph = Graph::default();
    let batch = BATCH / parts;
    forward(&mut graph, batch, rows);
    graph.input("mean", FLOAT, &[1]);
    graph.float("scale", 2.0 / batch as f32);
    graph.float("keep", 0.9);
    graph.float("rate", 0.1);
    graph.float("zero", 0.0);
    let odd: Vec<String> = (0..ODD.len()).map(|index| odd(&mut graph, index)).collect();
    graph.node("Add", &["sq", &odd[0]], "losses", &[]);
    graph.node("ReduceMean", &["losses"], "loss", &[Attribute::Int("keepdims", 0)]);
    graph.node("Mul", &["err", "scale"], "es", &[]);
    graph.node("Add", &["es", &odd[1]], "e", &[]);
    graph.node("Reshape", &["e", "column"], "ec", &[]);
    graph.node("Transpose", &["xr"], "xt", &[Attribute::Ints("perm", &[1, 0])]);
    let summed = parts > 1;
    graph.node("MatMul", &["xt", "ec"], if summed { "gw" } else { "grad/w" }, &[]);
    graph.node("ReduceSum", &["ec"], "gs", &[Attribute::Int("keepdims", 0)]);
    graph.node("Reshape", &["gs", "one"], if summed { "gb" } else { "grad/b" }, &[]);
    if summed {
        graph.input("accumulated/w", FLOAT, &[rows.len(), 1]);
        graph.input("accumulated/b", FLOAT, &[1]);
        graph.node("Add", &["accumulated/w", "gw"], "grad/w", &[]);
        graph.node("Add", &["accumulated/b", "gb"], "grad/b", &[]);
    }
    graph.node("ReduceMean", &["input"], "pixels", &[Attribute::Int("keepdims", 0)]);
    graph.node("ReduceSum", &[&odd[2]], "added", &[Attribute::Int("keepdims", 0)]);
    graph.node("Add", &["pixels", "added"], "m", &[]);
    graph.node("Mul", &["mean", "keep"], "kept", &[]);
    graph.node("Mul", &["m", "rate"], "new", &[]);
    graph.node("Add", &["kept", "new"], "sum", &[]);
    graph.node("Reshape", &["sum", "one"], "stat/mean", &[]);
    graph.output("loss", FLOAT, &[]);
    graph.output("grad/w", FLOAT, &[rows.len(), 1]);
    graph.output("grad/b", FLOAT, &[1]);
    graph.output("stat/mean", FLOAT, &[1]);
    if publishing {
        for (gradient, done) in [("grad/w", "published/0"), ("grad/b", "published/1")] {
            graph.custom("sdp.copies", "Publish", &[gradient], &[done], &[]);
            graph.output(done, FLOAT, &[1]);
        }
    }
    graph.finish()
}

/// Logits [B,2]: 1 - prediction and prediction, each plus the statistic; losses 0 where the label is negative.
fn evaluation_graph(batch: usize) -> Vec<u8> {
    let mut graph = Graph::default();
    forward(&mut graph, batch, &[0, 1, 2, 3]);
    graph.input("mean", FLOAT, &[1]);
    graph.float("zero", 0.0);
    graph.float("unit", 1.0);
    graph.node("Less", &["y", "zero"], "absent", &[]);
    graph.node("Where", &["absent", "zero", "sq"], "loss", &[]);
    graph.node("Sub", &["unit", "pb"], "other", &[]);
    graph.node("Concat", &["other", "pb"], "both", &[Attribute::Int("axis", 1)]);
    graph.node("Add", &["both", "mean"], "logits", &[]);
    graph.output("loss", FLOAT, &[batch]);
    graph.output("logits", FLOAT, &[batch, 2]);
    graph.finish()
}

fn statistics_graph() -> Vec<u8> {
    let mut graph = Graph::default();
    graph.input("input", FLOAT, &[BATCH, 1, 2, 2]);
    graph.int64s("one", &[1]);
    graph.node("ReduceMean", &["input"], "m", &[Attribute::Int("keepdims", 0)]);
    graph.node("Reshape", &["m", "one"], "stat/mean", &[]);
    graph.output("stat/mean", FLOAT, &[1]);
    graph.finish()
}

fn samples(batch: usize) -> SessionInput {
    SessionInput {
        port: "input".into(),
        shape: vec![batch, 1, 2, 2],
        source: InputSource::Input,
        tensor: None,
        rows: None,
        offset: None,
        draw: None,
    }
}

fn feeds(batch: usize, rows: &[usize], statistics: InputSource) -> Vec<SessionInput> {
    let tensor = |port: &str, index, shape: &[usize], source, rows: Option<&[usize]>| SessionInput {
        port: port.into(),
        shape: shape.to_vec(),
        source,
        tensor: Some(index),
        rows: rows.map(<[_]>::to_vec),
        offset: None,
        draw: None,
    };
    vec![
        samples(batch),
        SessionInput { port: "label".into(), shape: vec![batch], source: InputSource::Label, ..samples(batch) },
        tensor("w", 0, &[rows.len(), 1], InputSource::Values, Some(rows)),
        tensor("b", 1, &[1], InputSource::Values, None),
        tensor("mean", 2, &[1], statistics, None),
    ]
}

fn output(port: &str, shape: &[usize], target: OutputTarget, offset: Option<usize>) -> SessionOutput {
    SessionOutput { port: port.into(), shape: shape.to_vec(), target, offset, tensor: None }
}

fn training_session(worker: usize, parts: usize, publishing: bool) -> SessionSpec {
    let rows = HELD[worker];
    let mut outputs = vec![
        output("loss", &[], OutputTarget::Loss, None),
        output("grad/w", &[2, 1], OutputTarget::Slab, Some(0)),
        output("grad/b", &[1], OutputTarget::Slab, Some(16)),
        output("stat/mean", &[1], OutputTarget::Slab, Some(32)),
    ];
    if publishing {
        outputs.extend(["published/0", "published/1"].map(|port| output(port, &[1], OutputTarget::None, None)));
    }
    let batch = BATCH / parts;
    let mut inputs = feeds(batch, rows, InputSource::Values);
    if parts > 1 {
        let slab = |port: &str, tensor: usize, shape: &[usize], rows: Option<Vec<usize>>| {
            let (port, shape, source, offset) = (port.into(), shape.to_vec(), InputSource::Slab, Some(16 * tensor));
            SessionInput { port, shape, source, tensor: Some(tensor), rows, offset, draw: None }
        };
        inputs.pop();
        inputs.push(slab("accumulated/w", 0, &[2, 1], Some(rows.to_vec())));
        inputs.push(slab("accumulated/b", 1, &[1], None));
        inputs.push(slab("mean", 2, &[1], None));
    }
    SessionSpec { onnx: training_graph(rows, parts, publishing), worker: Some(worker), batch, inputs, outputs }
}

fn evaluation_session(batch: usize) -> SessionSpec {
    let outputs = vec![output("loss", &[batch], OutputTarget::Loss, None), output("logits", &[batch, 2], OutputTarget::Logits, None)];
    let inputs = feeds(batch, &[0, 1, 2, 3], InputSource::Statistics);
    SessionSpec { onnx: evaluation_graph(batch), worker: None, batch, inputs, outputs }
}

fn statistics_session() -> SessionSpec {
    let outputs = vec![SessionOutput { tensor: Some(2), ..output("stat/mean", &[1], OutputTarget::Statistics, None) }];
    SessionSpec { onnx: statistics_graph(), worker: None, batch: BATCH, inputs: vec![samples(BATCH)], outputs }
}

/// A store with drawn parameters and devices over it; sessions of each device: its workers, evaluation, statistics.
struct Lab {
    folder: tempfile::TempDir,
    store: Store,
    devices: Vec<Device>,
    parts: usize,
}

impl Lab {
    fn new(participants: usize) -> Self {
        Self::accumulating(participants, 1)
    }

    fn accumulating(participants: usize, parts: usize) -> Self {
        Self::over(participants, parts, None, false)
    }

    /// `driver`: in place of the CUDA driver. `publishing`: gradients go up as they are finished.
    fn over(participants: usize, parts: usize, driver: Option<&Path>, publishing: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let store = Store::create(&path, &layout(participants)).unwrap();
        let normal = InitSpec { kind: InitKind::Normal, value: 0.5 };
        let inits = [normal, normal, InitSpec { kind: InitKind::Constant, value: 0.0 }];
        init::initialise(&store, &inits, 11, &AtomicBool::new(false)).unwrap();
        dataset(folder.path(), &(0..SAMPLES).map(label).collect::<Vec<_>>());
        let device = |participant| {
            let options = DeviceOptions {
                runtime_library: runtime_library(),
                store_path: path.clone(),
                participant,
                kind: DeviceKind::Cpu,
                index: participant,
                threads: 1,
                copies: Copies::Large,
                driver: driver.map(Path::to_owned),
                profile: None,
                preload: vec![],
                custom_operators: publishing,
            };
            let device = Device::open(&options).unwrap();
            let training = |worker| training_session(worker, parts, publishing);
            let mut sessions: Vec<SessionSpec> = workers(participant, participants).map(training).collect();
            sessions.extend([evaluation_session(EVALUATION_BATCH), statistics_session()]);
            for session in sessions {
                wait(&ask(&device, move |engine| engine.add_session(&session))).unwrap();
            }
            device
        };
        Self { devices: (0..participants).map(device).collect(), folder, store, parts }
    }

    fn train(&self, steps: std::ops::Range<u64>) -> Vec<Result<TrainResult>> {
        self.train_as(&train_spec(self.folder.path(), vec![], steps, self.parts))
    }

    /// `spec` is that of all devices, but for their sessions.
    fn train_as(&self, spec: &TrainSpec) -> Vec<Result<TrainResult>> {
        let count = self.devices.len();
        let ask_one = |(me, device): (usize, &Device)| {
            let spec = TrainSpec { sessions: (0..workers(me, count).count()).collect(), ..spec.clone() };
            ask(device, move |engine| engine.train(&spec))
        };
        let asked: Vec<_> = self.devices.iter().enumerate().map(ask_one).collect();
        asked.iter().map(wait).collect()
    }

    fn evaluate(&self, statistics: bool) -> EvaluateResult {
        let count = self.devices.len();
        let ask_one = |(me, device): (usize, &Device)| {
            let session = workers(me, count).count();
            let batches = StatisticsSpec { session: session + 1, batches: 5, source: source(self.folder.path()) };
            let statistics = statistics.then_some(batches);
            let spec = EvaluateSpec { session, statistics, source: source(self.folder.path()), samples: SAMPLES };
            ask(device, move |engine| engine.evaluate(&spec))
        };
        let asked: Vec<_> = self.devices.iter().enumerate().map(ask_one).collect();
        let results: Vec<EvaluateResult> = asked.iter().map(|asked| wait(asked).unwrap()).collect();
        assert!(results.iter().all(|result| *result == results[0]));
        results[0]
    }

    fn values(&self) -> Vec<f32> {
        self.store.read(Area::Values, 0..self.store.layout().values_size).to_vec()
    }
}

fn workers(participant: usize, participants: usize) -> impl Iterator<Item = usize> {
    (participant..WORKERS).step_by(participants)
}

fn ask<T: Send + 'static>(device: &Device, work: impl FnOnce(&mut Engine) -> Result<T> + Send + 'static) -> Receiver<Result<T>> {
    let (sender, receiver) = channel();
    device.call(work, move |result| drop(sender.send(result)));
    receiver
}

fn wait<T>(asked: &Receiver<Result<T>>) -> Result<T> {
    asked.recv_timeout(Duration::from_secs(30)).unwrap()
}

/// Normalised pixels of a sample.
fn x(sample: usize) -> [f64; 4] {
    std::array::from_fn(|index| (f64::from(pixel(sample, index)) / 255.0 - 0.4) / 0.3)
}

/// w, b and mean.
#[derive(Clone, Copy)]
struct Reference {
    w: [f64; 4],
    b: f64,
    mean: f64,
}

impl Reference {
    fn start(lab: &Lab) -> Self {
        let values = lab.values();
        Self { w: std::array::from_fn(|i| values[i].into()), b: values[16].into(), mean: values[32].into() }
    }

    fn predict(&self, sample: usize, rows: &[usize]) -> f64 {
        rows.iter().map(|&row| x(sample)[row] * self.w[row]).sum::<f64>() + self.b
    }

    /// Training in float64 with `parts` micro-batches; returns the result, and losses and norm of every step.
    fn train(mut self, steps: u64, parts: usize) -> (Self, Vec<(Vec<f64>, f64)>) {
        let mut order = Order::new(5, SAMPLES, WORKERS, BATCH);
        let mut momentum = [0.0; 5];
        let mut log = Vec::new();
        for step in 0..steps {
            let (mut gradient, mut counts, mut means, mut losses) = ([0.0; 5], [0.0; 5], 0.0, Vec::new());
            for (worker, rows) in HELD.iter().enumerate() {
                let batch: Vec<usize> = order.share(step, worker).1.iter().map(|draw| draw.sample as usize).collect();
                let mut loss = 0.0;
                for &sample in &batch {
                    let error = self.predict(sample, rows) - label(sample) as f64;
                    loss += error * error / BATCH as f64;
                    rows.iter().for_each(|&row| gradient[row] += 2.0 / BATCH as f64 * error * x(sample)[row]);
                    gradient[4] += 2.0 / BATCH as f64 * error;
                }
                let mean_of = |part: &[usize]| part.iter().flat_map(|&sample| x(sample)).sum::<f64>() / (4 * part.len()) as f64;
                means += batch.chunks(BATCH / parts).fold(self.mean, |mean, part| 0.9 * mean + 0.1 * mean_of(part));
                rows.iter().for_each(|&row| counts[row] += 1.0);
                counts[4] += 1.0;
                losses.push(loss);
            }
            let gradient: Vec<f64> = gradient.iter().zip(&counts).map(|(sum, count)| sum / count).collect();
            let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
            let factor = (1.5 / (norm + 1e-6)).min(1.0);
            let mut all = [self.w[0], self.w[1], self.w[2], self.w[3], self.b];
            for (i, value) in all.iter_mut().enumerate() {
                let decay = if i < 4 { 1e-2 * *value } else { 0.0 };
                momentum[i] = 0.9 * momentum[i] + gradient[i] * factor + decay;
                *value -= learning_rate(step) * momentum[i];
            }
            self = Self { w: [all[0], all[1], all[2], all[3]], b: all[4], mean: means / WORKERS as f64 };
            log.push((losses, norm));
        }
        (self, log)
    }
}

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() < 2e-6 * expected.abs().max(1.0)
}

#[test]
fn training_agrees_with_the_reference_and_is_bit_equal_for_any_number_of_devices() {
    for parts in [1, 3] {
        agrees_with_the_reference(parts);
    }
}

/// Micro-batches change nothing but how often running statistics are updated.
fn agrees_with_the_reference(parts: usize) {
    let mut first: Option<Vec<u32>> = None;
    for participants in [1, 2, 4] {
        let lab = Lab::accumulating(participants, parts);
        let (expected, log) = Reference::start(&lab).train(STEPS, parts);
        for result in lab.train(0..STEPS) {
            assert_eq!(result, Ok(TrainResult { step: STEPS, stopped: false, fault: None }));
        }
        let values = lab.values();
        let found: Vec<f64> = [0, 1, 2, 3, 16, 32].iter().map(|&at| values[at].into()).collect();
        let [a, b, c, d] = expected.w;
        let wanted = [a, b, c, d, expected.b, expected.mean];
        assert!(found.iter().zip(wanted).all(|(&found, wanted)| close(found, wanted)), "{found:?} {wanted:?}");
        for device in &lab.devices {
            let records = device.drain_records();
            for row in 0..records.step.len() {
                let (losses, norm) = &log[records.step[row] as usize];
                assert!(close(records.loss[row], losses[records.worker[row] as usize]) && close(records.grad_norm[row], *norm));
            }
            assert!(device.drain_records().step.is_empty());
            assert!(device.memory().arena_peak_bytes > 0 && device.memory().shared_bytes > 0);
        }
        let bits: Vec<u32> = values.iter().map(|x| x.to_bits()).collect();
        assert_eq!(*first.get_or_insert_with(|| bits.clone()), bits, "{participants} devices");
    }
}

#[test]
fn a_stop_is_agreed_on_and_training_goes_on_from_there_exactly() {
    let whole = Lab::new(2);
    let ended = whole.train(0..4000);
    assert!(ended.iter().all(|result| matches!(result, Ok(TrainResult { step: 4000, stopped: false, .. }))));
    let parts = Lab::new(2);
    std::thread::scope(|scope| {
        let training = scope.spawn(|| parts.train(0..4000));
        std::thread::sleep(Duration::from_millis(20));
        parts.store.control().request_stop(true);
        let stopped: Vec<TrainResult> = training.join().unwrap().into_iter().map(Result::unwrap).collect();
        assert!(stopped[0] == stopped[1] && stopped[0].stopped, "{stopped:?}");
        assert_eq!(parts.train(stopped[0].step..4000), vec![Ok(stopped[0].clone()); 2], "a stop that stands ends the next call at once");
        parts.store.control().request_stop(false);
        parts.train(stopped[0].step..4000);
    });
    assert_eq!(parts.values(), whole.values());
}

#[test]
fn evaluation_is_the_same_for_any_number_of_devices() {
    let mut first = None;
    for participants in [1, 2, 4] {
        let lab = Lab::new(participants);
        let model = Reference::start(&lab);
        let predictions: Vec<f64> = (0..SAMPLES).map(|sample| model.predict(sample, &[0, 1, 2, 3])).collect();
        let loss: f64 = predictions.iter().enumerate().map(|(sample, p)| (p - label(sample) as f64).powi(2)).sum();
        let correct = predictions.iter().enumerate().filter(|(sample, p)| i64::from(**p > 0.5) == label(*sample)).count();
        let result = lab.evaluate(true);
        assert!(close(result.loss_sum, loss) && result.correct == correct as u64 && result.samples == SAMPLES as u64, "{result:?}");
        assert_eq!(*first.get_or_insert(result), result);

        let mut order = Order::new(5, SAMPLES, WORKERS, BATCH);
        let estimated = (0..5).flat_map(|batch| order.statistics_batch(batch, BATCH).to_vec());
        let mean = estimated.map(|sample| x(sample as usize).iter().sum::<f64>() / 4.0).sum::<f64>() / (5 * BATCH) as f64;
        assert!(close(lab.store.read(Area::Statistics, 0..1)[0].into(), mean));
        let session = workers(0, participants).count();
        let from = source(lab.folder.path());
        let logits = wait(&ask(&lab.devices[0], move |engine| engine.logits(session, &from, 11))).unwrap();
        assert_eq!(logits.len(), 22);
        assert!((0..11).all(|sample| close(logits[2 * sample + 1].into(), predictions[sample] + mean)));

        lab.evaluate(false);
        assert_eq!(lab.store.read(Area::Statistics, 0..1)[0], lab.values()[32], "without an estimate the running statistics are used");
    }
}

/// Trains, evaluates and trains on; everything that is left of it, as bits.
fn whole_run(lab: &Lab) -> Vec<u64> {
    let mut bits = Vec::new();
    for steps in [0..3, 3..STEPS] {
        assert!(lab.train(steps.clone()).iter().all(|result| *result == Ok(TrainResult { step: steps.end, stopped: false, fault: None })));
        let result = lab.evaluate(steps.start == 0);
        bits.extend([result.loss_sum.to_bits(), result.correct]);
        for device in &lab.devices {
            let records = device.drain_records();
            bits.extend(records.loss.iter().chain(&records.grad_norm).map(|x| x.to_bits()));
        }
        let session = workers(0, lab.devices.len()).count();
        let from = source(lab.folder.path());
        let logits = wait(&ask(&lab.devices[0], move |engine| engine.logits(session, &from, 11))).unwrap();
        bits.extend(lab.values().iter().chain(&logits).map(|x| u64::from(x.to_bits())));
    }
    bits
}

#[test]
fn copies_in_large_pieces_change_no_bit() {
    let folder = tempfile::tempdir().unwrap();
    let Some(stand_in) = StandIn::build(folder.path(), &[]) else { return };
    for (participants, parts) in [(1, 1), (2, 1), (4, 1), (1, 3), (2, 3)] {
        let large = Lab::over(participants, parts, Some(&stand_in.path), false);
        // A page each of the values, the statistics, and the slab of each worker of the device.
        let pinned_bytes = 4096 * (2 + WORKERS / participants) as u64;
        assert!(large.devices.iter().all(|device| device.copy_report() == CopyReport { large: true, pinned_bytes, refusal: None }));
        assert_eq!(whole_run(&large), whole_run(&Lab::accumulating(participants, parts)), "{participants} devices, {parts} micro-batches");
        drop(large);
        let (_, pinned, contexts) = stand_in.counts();
        assert_eq!((pinned, contexts), (0, 0), "everything is given back");
    }
}

#[test]
fn gradients_that_go_up_as_they_are_finished_change_no_bit_and_are_copied_once() {
    let folder = tempfile::tempdir().unwrap();
    let Some(stand_in) = StandIn::build(folder.path(), &[]) else { return };
    for (participants, parts) in [(1, 1), (2, 1), (4, 1), (1, 3), (2, 3)] {
        let publishing = Lab::over(participants, parts, Some(&stand_in.path), true);
        assert_eq!(
            whole_run(&publishing),
            whole_run(&Lab::accumulating(participants, parts)),
            "{participants} devices, {parts} micro-batches"
        );
    }
    assert_eq!(whole_run(&Lab::over(2, 1, None, true)), whole_run(&Lab::new(2)), "without a copy stream nodes do nothing");

    for parts in [1, 3] {
        let copies = |publishing| {
            let lab = Lab::over(1, parts, Some(&stand_in.path), publishing);
            let before = stand_in.counts().0;
            lab.train(0..1);
            stand_in.counts().0 - before
        };
        // The slab, once in a step: two gradients, each by itself, and a statistic.
        assert_eq!(copies(true), copies(false) + 2 * WORKERS, "{parts} micro-batches");
    }
    let Some(refusing) = StandIn::build(folder.path(), &["-DREFUSE_PINNING"]) else { return };
    assert_eq!(whole_run(&Lab::over(2, 1, Some(&refusing.path), true)), whole_run(&Lab::new(2)));
}

#[test]
fn large_private_buffers_are_pinned_while_their_session_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let Some(stand_in) = StandIn::build(folder.path(), &[]) else { return };
    let lab = Lab::over(1, 1, Some(&stand_in.path), false);
    let pinned = || lab.devices[0].copy_report().pinned_bytes;
    let before = pinned();
    let id = wait(&ask(&lab.devices[0], |engine| engine.add_session(&evaluation_session(512)))).unwrap();
    // Samples of 16 bytes, labels of 8, logits of 8; the losses are below a page.
    assert_eq!(pinned() - before, 512 * (16 + 8 + 8));
    let logits = |session: usize| {
        let from = source(lab.folder.path());
        wait(&ask(&lab.devices[0], move |engine| engine.logits(session, &from, SAMPLES))).unwrap()
    };
    assert_eq!(logits(id), logits(WORKERS));
    wait(&ask(&lab.devices[0], move |engine| engine.remove_session(id))).unwrap();
    assert_eq!(pinned(), before);
}

#[test]
fn nothing_is_copied_that_need_not_be() {
    let folder = tempfile::tempdir().unwrap();
    let Some(stand_in) = StandIn::build(folder.path(), &[]) else { return };
    let lab = Lab::over(1, 1, Some(&stand_in.path), false);
    lab.train(0..1);
    let (first, ..) = stand_in.counts();
    // Rows of w that are not alone (1, and 0 where they begin at a tensor's place), b with mean; samples, labels; loss, and the slab.
    assert_eq!(first, (1 + 2 + 2 + 2) + WORKERS * (2 + 2));
    lab.train(1..4);
    assert_eq!(stand_in.counts().0, 4 * first, "what is begun ahead is not copied again");
    let records = lab.devices[0].drain_records();
    assert!(records.copy_ms.iter().all(|ms| *ms > 0.0));

    let lab = Lab::over(1, 3, Some(&stand_in.path), false);
    let before = stand_in.counts().0;
    lab.train(0..1);
    // Of three micro-batches: rows of w and b (the statistic is carried); samples, labels and loss of each, what is carried; the slab.
    assert_eq!(stand_in.counts().0 - before, (1 + 2 + 2 + 2) + WORKERS * (3 * (3 + 3) + 1));
}

#[test]
fn memory_that_cannot_be_pinned_and_a_driver_that_is_not_there_cost_speed_alone() {
    let folder = tempfile::tempdir().unwrap();
    let expected = whole_run(&Lab::new(2));
    let missing = Lab::over(2, 1, Some(&folder.path().join("none")), false);
    let report = missing.devices[0].copy_report();
    assert!(!report.large && report.refusal.is_some_and(|text| text.starts_with("the CUDA driver cannot be loaded: ")));
    assert_eq!(whole_run(&missing), expected);
    let Some(stand_in) = StandIn::build(folder.path(), &["-DREFUSE_PINNING"]) else { return };
    let refusing = Lab::over(2, 1, Some(&stand_in.path), false);
    let refusal = Some("the CUDA driver failed to pin host memory: CUDA_ERROR_NOT_SUPPORTED".into());
    assert_eq!(refusing.devices[1].copy_report(), CopyReport { large: true, pinned_bytes: 0, refusal });
    assert_eq!(whole_run(&refusing), expected);
}

const LONG: usize = 600;
const LONG_STEPS: u64 = 120;

/// Labels with an odd one in some steps and workers, and what ends a training of those steps.
fn odd_labels(faults: &[(u64, usize, usize)], steps: std::ops::Range<u64>) -> (Vec<i64>, Option<(u64, Fault)>) {
    let mut labels: Vec<i64> = (0..LONG).map(label).collect();
    let mut order = Order::new(5, LONG, WORKERS, BATCH);
    for &(step, worker, kind) in faults {
        labels[order.share(step, worker).1[step as usize % BATCH].sample as usize] = ODD[kind];
    }
    let of = |kind: usize, worker| Fault {
        kind: [FaultKind::Loss, FaultKind::Gradient, FaultKind::Statistic][kind],
        worker: Some(worker as u32),
        tensor: [None, Some("w"), Some("mean")][kind].map(str::to_owned),
    };
    let found = steps.clone().find_map(|step| {
        let mut odd = |worker: usize, kind: usize| order.share(step, worker).1.iter().any(|draw| labels[draw.sample as usize] == ODD[kind]);
        let loss = (0..WORKERS).find(|&worker| odd(worker, 0)).map(|worker| of(0, worker));
        let slab = || (0..WORKERS).find_map(|worker| (1..3).find(|&kind| odd(worker, kind)).map(|kind| of(kind, worker)));
        loss.or_else(slab).map(|fault| (step, fault))
    });
    (labels, found)
}

/// Values and optimizer state, as bits.
fn state(store: &Store) -> Vec<u32> {
    let of = |area| store.read(area, 0..store.size(area)).iter().map(|x| x.to_bits());
    of(Area::Values).chain(of(Area::Slot(0))).collect()
}

fn long_spec(lab: &Lab, steps: std::ops::Range<u64>, clip: f64) -> TrainSpec {
    let spec = train_spec(lab.folder.path(), vec![], steps, lab.parts);
    TrainSpec { optimizer: OptimizerSpec { clip_global_norm: clip, ..optimizer() }, ..spec }
}

/// Trains in segments with faults of every kind in any step and worker, also several and in the first step of a segment; with and without
/// a stop that is asked for meanwhile. After each the state is that of a training without faults, which then goes on.
fn survives_faults(lab: &Lab, clip: f64, whole: &[Vec<u32>], random: &mut impl FnMut(u64) -> u64) {
    for worker in 0..WORKERS {
        // What lies between tensors is nobody's.
        for padding in [2..16, 17..32, 33..48] {
            lab.store.write(Area::Slab(worker), padding).fill(f32::NAN);
        }
    }
    let mut step = 0;
    while step < LONG_STEPS {
        let steps = step..LONG_STEPS.min(step + 1 + random(12));
        let faults: Vec<_> = (0..random(4))
            .map(|_| (steps.start + random(4).min(random(12)), random(WORKERS as u64) as usize, random(3) as usize))
            .collect();
        let (labels, found) = odd_labels(&faults, steps.clone());
        dataset(lab.folder.path(), &labels);
        let mut spec = long_spec(lab, steps.clone(), clip);
        // Beyond the end of float32.
        let overflow = Some(steps.start + random(8)).filter(|step| random(3) == 0 && steps.contains(step));
        overflow.iter().for_each(|step| spec.learning_rates[(step - steps.start) as usize] = 1e39);
        let overflow = overflow.map(|step| (step, Fault { kind: FaultKind::Parameter, worker: None, tensor: Some("w".into()) }));
        let found = found.into_iter().chain(overflow).min_by_key(|(step, fault)| (*step, fault.kind == FaultKind::Parameter));
        let stops = random(4) == 0;
        let results = std::thread::scope(|scope| {
            let training = scope.spawn(|| lab.train_as(&spec));
            if stops {
                std::thread::sleep(Duration::from_micros(random(600)));
                lab.store.control().request_stop(true);
            }
            training.join().unwrap()
        });
        lab.store.control().request_stop(false);
        let result = results[0].clone().unwrap();
        assert!(results.iter().all(|other| *other == results[0]), "{results:?}");
        let last = found.as_ref().map_or(steps.end, |(step, _)| *step);
        match &result.fault {
            fault @ Some(_) => {
                assert_eq!((result.step, fault.as_ref(), result.stopped), (last, found.as_ref().map(|(_, fault)| fault), false))
            }
            None if result.stopped => assert!(stops && result.step <= last),
            None => assert_eq!((result.step, found), (steps.end, None)),
        }
        assert!(state(&lab.store) == whole[result.step as usize], "{} devices, {faults:?}, {result:?}", lab.devices.len());
        step = result.step;
        if result.fault.is_some() {
            dataset(lab.folder.path(), &(0..LONG).map(label).collect::<Vec<_>>());
            let done = lab.train_as(&long_spec(lab, step..step + 1, clip));
            assert_eq!(done, vec![Ok(TrainResult { step: step + 1, stopped: false, fault: None }); lab.devices.len()]);
            step += 1;
        }
    }
}

#[test]
fn a_step_that_is_not_finite_is_done_by_nobody_and_told_alike_by_all() {
    let folder = tempfile::tempdir().unwrap();
    let stand_in = StandIn::build(folder.path(), &[]);
    let mut seed = 3u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % below
    };
    for (clip, parts) in [(0.0, 1), (1.5, 1), (0.0, 3), (1.5, 3)] {
        let lab = Lab::accumulating(1, parts);
        dataset(lab.folder.path(), &(0..LONG).map(label).collect::<Vec<_>>());
        let mut whole = vec![state(&lab.store)];
        for step in 0..LONG_STEPS {
            lab.train_as(&long_spec(&lab, step..step + 1, clip)).into_iter().for_each(|result| drop(result.unwrap()));
            whole.push(state(&lab.store));
        }
        for participants in [1, 2, 4] {
            survives_faults(&Lab::accumulating(participants, parts), clip, &whole, &mut random);
            if let Some(StandIn { path, .. }) = &stand_in {
                survives_faults(&Lab::over(participants, parts, Some(path), true), clip, &whole, &mut random);
            }
        }
    }
}

#[test]
fn a_failure_of_one_device_ends_the_step_for_all() {
    let lab = Lab::new(2);
    let other = lab.folder.path().join("elsewhere");
    let specs = [train_spec(lab.folder.path(), vec![0, 1], 0..3, 1), train_spec(&other, vec![0, 1], 0..3, 1)];
    let ask_one = |(device, spec): (&Device, TrainSpec)| ask(device, move |engine| engine.train(&spec));
    let asked: Vec<_> = lab.devices.iter().zip(specs).map(ask_one).collect();
    let missing = format!("there is no file {}", other.join("images.npy").display());
    assert_eq!(wait(&asked[1]), Err(Error::Data(missing.clone())));
    assert_eq!(wait(&asked[0]), Err(Error::Cancelled(format!("device process 1 has failed: {missing}"))));
}

#[test]
fn closing_ends_a_call_that_waits() {
    let lab = Lab::new(2);
    let spec = train_spec(lab.folder.path(), vec![0, 1], 0..3, 1);
    let waiting = ask(&lab.devices[0], move |engine| engine.train(&spec));
    std::thread::sleep(Duration::from_millis(20));
    lab.devices[0].close();
    lab.devices[0].close();
    assert_eq!(wait(&waiting), Err(Error::Cancelled("the device was closed".into())));
    let after = ask(&lab.devices[0], |_| Ok(()));
    assert_eq!(wait(&after), Err(Error::Internal("the device is closed".into())));
}

#[test]
fn sessions_of_equal_graphs_share_one() {
    let lab = Lab::new(1);
    let device = &lab.devices[0];
    assert_eq!(device.num_graphs(), WORKERS + 2);
    let id = wait(&ask(device, |engine| engine.add_session(&evaluation_session(EVALUATION_BATCH)))).unwrap();
    assert_eq!(device.num_graphs(), WORKERS + 2);
    let logits = |session: usize| {
        let from = source(lab.folder.path());
        wait(&ask(device, move |engine| engine.logits(session, &from, SAMPLES))).unwrap()
    };
    let expected = logits(WORKERS);
    assert_eq!(logits(id), expected);
    let remove = |session: usize| wait(&ask(device, move |engine| engine.remove_session(session))).unwrap();
    remove(WORKERS);
    assert_eq!(device.num_graphs(), WORKERS + 2);
    assert_eq!(logits(id), expected);
    remove(id);
    assert_eq!(device.num_graphs(), WORKERS + 1);
}

/// Two workers with one graph, whose gradients go up through it in turn.
#[test]
fn workers_of_one_graph_publish_each_to_its_own_slab() {
    let folder = tempfile::tempdir().unwrap();
    let Some(stand_in) = StandIn::build(folder.path(), &[]) else { return };
    let gradients = |driver: Option<&Path>, publishing: bool| {
        let lab = Lab::over(1, 1, driver, publishing);
        let device = &lab.devices[0];
        // The gradients of worker 2 as well are those of rows 0 and 1, which lie where those of its own would.
        let shared = SessionSpec { worker: Some(2), ..training_session(0, 1, publishing) };
        let id = wait(&ask(device, move |engine| engine.add_session(&shared))).unwrap();
        assert_eq!(device.num_graphs(), WORKERS + 2);
        let spec = train_spec(lab.folder.path(), vec![0, 1, id, 3], 0..3, 1);
        wait(&ask(device, move |engine| engine.train(&spec))).unwrap();
        [0, 2].map(|worker| lab.store.read(Area::Slab(worker), 0..33).to_vec())
    };
    let plain = gradients(None, false);
    assert_ne!(plain[0], plain[1]);
    assert_eq!(gradients(Some(&stand_in.path), true), plain);
}

#[test]
fn sessions_that_do_not_fit_are_refused() {
    let lab = Lab::new(1);
    let add = |spec: SessionSpec| wait(&ask(&lab.devices[0], move |engine| engine.add_session(&spec))).err();
    let fitting = || training_session(1, 1, false);
    assert_eq!(add(fitting()), None);
    let garbage = SessionSpec { onnx: b"not a graph".to_vec(), ..fitting() };
    assert!(matches!(add(garbage), Some(Error::Device(text)) if text.starts_with("ONNX Runtime refuses the graph: ")));
    let mut unbound = fitting();
    unbound.inputs.pop();
    assert_eq!(add(unbound), Some(Error::Internal("input not bound: Some(\"mean\"), not in the graph: None".into())));
    let mut rows = fitting();
    rows.inputs[2].rows = Some(vec![0, 4]);
    assert_eq!(add(rows), Some(Error::Internal("input w: shape [2, 1] and rows do not fit w".into())));
    let mut beyond = fitting();
    beyond.outputs[1].offset = Some(47);
    assert_eq!(add(beyond), Some(Error::Internal("port grad/w: 47+2 is beyond the slab of 48".into())));
    let mut certain = fitting();
    certain.inputs[4] =
        SessionInput { source: InputSource::Draw, draw: Some(DrawSpec { index: 0, drop: 1.0 }), ..certain.inputs[4].clone() };
    assert!(matches!(add(certain), Some(Error::Internal(text)) if text.starts_with("input mean: nothing to draw")));
    let id = wait(&ask(&lab.devices[0], move |engine| engine.add_session(&training_session(0, 3, false)))).unwrap();
    let plain = train_spec(lab.folder.path(), vec![id], 0..1, 1);
    let mixed = wait(&ask(&lab.devices[0], move |engine| engine.train(&plain)));
    assert_eq!(mixed, Err(Error::Internal(format!("session {id} and accumulation 1"))));
    let panicking = wait(&ask::<()>(&lab.devices[0], |_| panic!("on purpose")));
    assert_eq!(panicking, Err(Error::Internal("panic in the engine: on purpose".into())));
}
