//! The operators of the domain `sdp.cudnn` in real sessions, against a stand-in for cuDNN that computes on host memory (cudnn.c): registered
//! for the CPU provider, which is then the one that has them. Skipped where there is no C compiler.

#![allow(clippy::unwrap_used, unsafe_code)]
#![cfg(target_os = "linux")]

#[path = "common/library.rs"]
mod library;
#[path = "common/onnx.rs"]
mod onnx;

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, OnceLock};

use libloading::Library;
use onnx::{Attribute, FLOAT, Graph};
use ort::session::Session;
use ort::value::{Shape, Tensor, ValueType};
use sdp_core::{cudnn, runtime};

const DOMAIN: &str = "sdp.cudnn";

/// The stand-in, loaded by its path as the app loads cuDNN before; the operators find it by its name.
fn stand_in() -> Option<&'static Library> {
    static LOADED: OnceLock<Option<Library>> = OnceLock::new();
    let load = || {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("stand-in.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cudnn.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wl,-soname,libcudnn.so.9", "-o"]).arg(&library).arg(source).arg("-lm");
        let Ok(status) = compiler.status() else {
            eprintln!("skipped: there is no C compiler (cc) to build the stand-in for cuDNN");
            return None;
        };
        assert!(status.success());
        // SAFETY: it has no initialisers.
        Some(unsafe { Library::new(&library) }.unwrap())
    };
    LOADED.get_or_init(load).as_ref()
}

/// A tensor: its name, extents and numbers.
type Named<'a> = (&'a str, Vec<usize>, Vec<f32>);
type Output = (Vec<i64>, Vec<f32>);

/// A session of one operator on a provider, whose outputs have no shapes in the file.
fn session(op: &str, provider: &'static str, inputs: &[Named], outputs: &[&str], attributes: &[Attribute]) -> ort::Result<Session> {
    let mut graph = Graph::default();
    inputs.iter().for_each(|(name, shape, _)| graph.input(name, FLOAT, shape));
    outputs.iter().for_each(|name| graph.inferred_output(name, FLOAT));
    graph.custom(DOMAIN, op, &inputs.iter().map(|input| input.0).collect::<Vec<_>>(), outputs, attributes);
    let environment = runtime::environment(&library::runtime_library()).unwrap();
    let builder = Session::builder(&environment)?.with_operators(cudnn::domain(provider)?)?;
    builder.with_env_allocators()?.commit_from_memory(&graph.finish())
}

/// What an operator computes on the CPU provider, twice in one session, and the shapes that were inferred before.
fn run(op: &str, inputs: &[Named], outputs: &[&str], attributes: &[Attribute]) -> ort::Result<(Vec<Vec<i64>>, Vec<Output>)> {
    let mut session = session(op, "CPUExecutionProvider", inputs, outputs, attributes)?;
    let inferred = |kind: &ValueType| kind.tensor_shape().map(|shape: &Shape| shape.to_vec()).unwrap();
    let shapes = session.outputs().iter().map(|output| inferred(output.dtype())).collect();
    let mut results: Vec<Vec<Output>> = Vec::new();
    for _ in 0..2 {
        let values = inputs.iter().map(|(name, shape, data)| (*name, Tensor::from_array((shape.clone(), data.clone())).unwrap()));
        let values = session.run(values.collect::<Vec<_>>())?;
        let read = |name: &&str| values[*name].try_extract_tensor::<f32>().map(|(shape, data)| (shape.to_vec(), data.to_vec()));
        results.push(outputs.iter().map(read).collect::<ort::Result<_>>()?);
    }
    assert_eq!(results[0], results[1]);
    Ok((shapes, results.remove(0)))
}

/// Numbers between -1 and 1 without a pattern.
fn numbers(seed: u32, shape: &[usize]) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..shape.iter().product()).map(|_| next()).collect()
}

fn assert_close(found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (index, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        assert!((f64::from(found) - expected).abs() <= 1e-5 * (1.0 + expected.abs()), "{index}: {found}, expected {expected}");
    }
}

/// Extents of a convolution: N, C, H, W; K, R, S; strides; pads.
struct Convolution {
    x: [usize; 4],
    w: [usize; 4],
    strides: [i64; 2],
    pads: [i64; 4],
}

impl Convolution {
    fn dy(&self) -> [usize; 4] {
        let output = |axis: usize| {
            let padded = self.x[axis + 2] as i64 + self.pads[axis] + self.pads[axis + 2];
            ((padded - self.w[axis + 2] as i64) / self.strides[axis] + 1) as usize
        };
        [self.x[0], self.w[0], output(0), output(1)]
    }

    /// The sum over all x * w * dy whose places fit, differentiated by w and by x.
    fn gradients(&self, x: &[f32], w: &[f32], dy: &[f32]) -> (Vec<f64>, Vec<f64>) {
        let (mut dw, mut dx) = (vec![0.0; w.len()], vec![0.0; x.len()]);
        let at = |[_, b, c, d]: [usize; 4], [i, j, k, l]: [usize; 4]| ((i * b + j) * c + k) * d + l;
        let [n, k, p, q] = self.dy();
        for image in 0..n * k * p * q {
            let [n, k, p, q] = [image / (k * p * q), image / (p * q) % k, image / q % p, image % q];
            for weight in 0..w.len() / self.w[0] {
                let [_, c, r, s] = self.w;
                let [c, r, s] = [weight / (r * s) % c, weight / s % r, weight % s];
                let row = p as i64 * self.strides[0] + r as i64 - self.pads[0];
                let column = q as i64 * self.strides[1] + s as i64 - self.pads[1];
                if (0..self.x[2] as i64).contains(&row) && (0..self.x[3] as i64).contains(&column) {
                    let (pixel, weight) = (at(self.x, [n, c, row as usize, column as usize]), at(self.w, [k, c, r, s]));
                    let output = f64::from(dy[at(self.dy(), [n, k, p, q])]);
                    dw[weight] += f64::from(x[pixel]) * output;
                    dx[pixel] += f64::from(w[weight]) * output;
                }
            }
        }
        (dw, dx)
    }

    /// Inferred shapes and results of both operators.
    fn check(&self) {
        let dy_shape = self.dy();
        let [x, w, dy] = [(1, self.x), (2, self.w), (3, dy_shape)].map(|(seed, shape)| numbers(seed, &shape));
        let (dw, dx) = self.gradients(&x, &w, &dy);
        let signed = |shape: [usize; 4]| shape.map(|extent| extent as i64).to_vec();
        let (strides, pads) = (Attribute::Ints("strides", &self.strides), Attribute::Ints("pads", &self.pads));
        let kernel = [self.w[2] as i64, self.w[3] as i64];
        let inputs = [("x", self.x.to_vec(), x), ("dy", dy_shape.to_vec(), dy.clone())];
        let (inferred, found) = run("ConvWeightGradient", &inputs, &["dw"], &[strides, pads, Attribute::Ints("kernel", &kernel)]).unwrap();
        assert_eq!((&inferred[0], &found[0].0), (&signed(self.w), &signed(self.w)));
        assert_close(&found[0].1, &dw);
        let (strides, pads) = (Attribute::Ints("strides", &self.strides), Attribute::Ints("pads", &self.pads));
        let image = [self.x[2] as i64, self.x[3] as i64];
        let inputs = [("dy", dy_shape.to_vec(), dy), ("w", self.w.to_vec(), w)];
        let (inferred, found) = run("ConvInputGradient", &inputs, &["dx"], &[strides, pads, Attribute::Ints("image", &image)]).unwrap();
        assert_eq!((&inferred[0], &found[0].0), (&signed(self.x), &signed(self.x)));
        assert_close(&found[0].1, &dx);
    }
}

/// Tests run one after the other, since they count the objects of the stand-in.
static ONE_BY_ONE: Mutex<()> = Mutex::new(());

#[test]
fn gradients_of_convolutions_are_those_of_their_definition() {
    let Some(library) = stand_in() else { return };
    let _guard = ONE_BY_ONE.lock();
    Convolution { x: [2, 3, 6, 5], w: [4, 3, 3, 3], strides: [1, 1], pads: [1, 1, 1, 1] }.check();
    // Strides and extents that differ by axis; nothing is read behind the image though it is padded there.
    Convolution { x: [2, 3, 8, 9], w: [5, 3, 3, 2], strides: [2, 3], pads: [1, 0, 1, 0] }.check();
    Convolution { x: [3, 2, 4, 4], w: [3, 2, 1, 1], strides: [2, 2], pads: [0, 0, 0, 0] }.check();
    // SAFETY: a function without arguments that gives an int.
    let alive = unsafe { library.get::<unsafe extern "C" fn() -> i32>("standin_alive\0").unwrap()() };
    assert_eq!(alive, 0, "handles and descriptors are left");
}

#[test]
fn normalization_gives_the_biased_variance_and_its_gradient() {
    if stand_in().is_none() {
        return;
    }
    let _guard = ONE_BY_ONE.lock();
    for (shape, epsilon) in [(vec![3, 2, 4, 5], 1e-5), (vec![8, 3], 0.0), (vec![1, 2, 1, 1], 1e-3)] {
        let (channels, count) = (shape[1], shape.iter().product::<usize>() / shape[1]);
        let rest = count / shape[0];
        // Small deviations at a large mean: with the inverse deviation alone the variance would be lost in epsilon.
        let x: Vec<f32> = numbers(1, &shape).iter().map(|x| 2.0 + 1e-3 * x).collect();
        let (scale, bias, dy) = (numbers(2, &[channels]), numbers(3, &[channels]), numbers(4, &shape));
        let of_channel = |c: usize, values: &[f32]| -> Vec<f64> {
            (0..count).map(|i| f64::from(values[(i / rest * channels + c) * rest + i % rest])).collect()
        };
        let (mut y, mut dx) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        let [mut means, mut variances, mut dscale, mut dbias] = [const { Vec::new() }; 4];
        for c in 0..channels {
            let (x, dy, scale) = (of_channel(c, &x), of_channel(c, &dy), f64::from(scale[c]));
            let mean = x.iter().sum::<f64>() / count as f64;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count as f64;
            let normal: Vec<f64> = x.iter().map(|x| (x - mean) / (variance + epsilon).sqrt()).collect();
            let (sum, products) = (dy.iter().sum::<f64>(), dy.iter().zip(&normal).map(|(a, b)| a * b).sum::<f64>());
            for i in 0..count {
                let place = (i / rest * channels + c) * rest + i % rest;
                y[place] = scale * normal[i] + f64::from(bias[c]);
                let centred = dy[i] - sum / count as f64 - normal[i] * products / count as f64;
                dx[place] = scale / (variance + epsilon).sqrt() * centred;
            }
            means.push(mean);
            variances.push(variance);
            dscale.push(products);
            dbias.push(sum);
        }
        let by_channel = |name: &'static str, values: &[f64]| (name, vec![channels], values.iter().map(|&v| v as f32).collect());
        let signed: Vec<i64> = shape.iter().map(|&extent| extent as i64).collect();
        let shapes = vec![signed, vec![channels as i64], vec![channels as i64]];
        let float = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();

        let inputs = [("x", shape.clone(), x.clone()), by_channel("scale", &float(&scale)), by_channel("bias", &float(&bias))];
        let attributes = [Attribute::Float("epsilon", epsilon as f32)];
        let (inferred, found) = run("BatchNormalization", &inputs, &["y", "mean", "variance"], &attributes).unwrap();
        assert_eq!((&inferred, found.iter().map(|output| output.0.clone()).collect()), (&shapes, shapes.clone()));
        assert_close(&found[1].1, &means);
        for (&found, &expected) in found[2].1.iter().zip(&variances) {
            assert!((f64::from(found) - expected).abs() <= 1e-6 * expected, "{found}, expected {expected}");
        }
        // The rounded input moves a deviation of 1e-3 by 1e-4 of itself.
        let near = |found: &[f32], expected: &[f64]| {
            let largest = expected.iter().fold(1e-3, |a: f64, b| a.max(b.abs()));
            assert!(found.iter().zip(expected).all(|(&a, b)| (f64::from(a) - b).abs() <= 1e-3 * largest), "{found:?} {expected:?}");
        };
        near(&found[0].1, &y);

        let inputs = [
            ("dy", shape.clone(), dy),
            ("x", shape.clone(), x),
            by_channel("scale", &float(&scale)),
            by_channel("mean", &means),
            by_channel("variance", &variances),
        ];
        if epsilon == 0.0 && variances.contains(&0.0) {
            continue;
        }
        let attributes = [Attribute::Float("epsilon", epsilon as f32)];
        let (inferred, found) = run("BatchNormalizationGradient", &inputs, &["dx", "dscale", "dbias"], &attributes).unwrap();
        assert_eq!((&inferred, found.iter().map(|output| output.0.clone()).collect()), (&shapes, shapes.clone()));
        near(&found[0].1, &dx);
        near(&found[1].1, &dscale);
        near(&found[2].1, &dbias);
    }
}

#[test]
fn what_cannot_be_computed_is_said() {
    if stand_in().is_none() {
        return;
    }
    let _guard = ONE_BY_ONE.lock();
    let weights = |x: [usize; 4], dy: [usize; 4], kernel: [i64; 2], pads: [i64; 4]| {
        let inputs = [("x", x.to_vec(), numbers(1, &x)), ("dy", dy.to_vec(), numbers(2, &dy))];
        let attributes = [Attribute::Ints("strides", &[1, 1]), Attribute::Ints("pads", &pads), Attribute::Ints("kernel", &kernel)];
        run("ConvWeightGradient", &inputs, &["dw"], &attributes).unwrap_err().to_string()
    };
    let uneven = weights([1, 1, 4, 4], [1, 1, 3, 3], [3, 3], [1, 1, 0, 0]);
    assert!(uneven.contains("pads [1, 1, 0, 0] is none that cuDNN has, which pads both sides alike"), "{uneven}");
    let only_atomic = weights([1, 1, 9, 9], [1, 1, 1, 1], [9, 9], [0; 4]);
    assert!(
        only_atomic
            .contains("cuDNN has no exact algorithm with the same result each time for the gradient of a convolution of [1, 1, 9, 9]"),
        "{only_atomic}"
    );
    let negative = [("x", vec![2, 1], vec![0.5, 1.0]), ("scale", vec![1], vec![1.0]), ("bias", vec![1], vec![0.0])];
    let names = ["y", "mean", "variance"];
    let error = run("BatchNormalization", &negative, &names, &[Attribute::Float("epsilon", -1.0)]).unwrap_err().to_string();
    assert!(error.contains("cudnnBatchNormalizationForwardTraining of cuDNN failed: BAD PARAMETER (2000)"), "{error}");
    let error = run("BatchNormalization", &negative, &names, &[]).unwrap_err().to_string();
    assert!(error.contains("epsilon"), "{error}");
}

#[test]
fn operators_of_another_provider_are_known_but_have_no_kernel() {
    let _guard = ONE_BY_ONE.lock();
    let inputs = [("x", vec![2, 1], vec![]), ("scale", vec![1], vec![]), ("bias", vec![1], vec![])];
    let (outputs, attributes) = (["y", "mean", "variance"], [Attribute::Float("epsilon", 1e-5)]);
    let message = |op, provider| session(op, provider, &inputs, &outputs, &attributes).unwrap_err().to_string();
    let known = message("BatchNormalization", "CUDAExecutionProvider");
    assert!(known.contains("Could not find an implementation for BatchNormalization(1)"), "{known}");
    let unknown = message("LayerNormalization", "CPUExecutionProvider");
    assert!(unknown.contains("sdp.cudnn:LayerNormalization(-1) is not a registered function/op"), "{unknown}");
}
