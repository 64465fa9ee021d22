//! SGD and AdamW against torch.optim. Inputs and expected parameters were computed with PyTorch 2.15 (CPU, float32, three steps with the
//! gradients below, one parameter tensor, `foreach=False`), and are printed with nine digits.

#![allow(clippy::excessive_precision)]

use sdp_core::optimizer::{OptimizerSpec, Update, UpdateRule};

const START: [f32; 6] = [0.5, -1.25, 3.0, -0.01, 2e-3, -7.5];
const GRADIENTS: [[f32; 6]; 3] =
    [[0.1, -0.2, 0.0, 1e-4, -3.0, 0.7], [-0.05, 0.4, 1.5, -1e-4, 2.0, 0.7], [0.3, 0.0, -0.5, 1e-4, 0.25, -0.9]];

const MOMENTUM: UpdateRule = UpdateRule::Momentum { momentum: 0.9, nesterov: false };
const ADAMW: UpdateRule = UpdateRule::AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-8 };

fn spec(rule: UpdateRule) -> OptimizerSpec {
    OptimizerSpec { rule, weight_decay: 0.0, clip_global_norm: 0.0 }
}

fn sgd() -> OptimizerSpec {
    spec(UpdateRule::Sgd {})
}

/// In place; a state for each slot.
fn apply(update: Update, values: &mut [f32], slots: &mut [Vec<f32>], gradient: &[f32], decays: bool) {
    let (old, state) = (values.to_vec(), slots.to_vec());
    let of = |slot: usize| state.get(slot).map_or(&[][..], Vec::as_slice);
    let mut new = slots.iter_mut().map(Vec::as_mut_slice);
    let to = [values, new.next().unwrap_or_default(), new.next().unwrap_or_default()];
    update.apply([&old, of(0), of(1)], gradient, decays, to);
}

/// Parameters after the three steps, and the gradient norms before clipping.
fn run(spec: &OptimizerSpec, learning_rate: f64, decays: bool) -> (Vec<f32>, Vec<f64>) {
    let mut values = START.to_vec();
    let mut state = vec![vec![0.0; 6]; spec.rule.slots().len()];
    let mut norms = Vec::new();
    for (step, gradient) in GRADIENTS.iter().enumerate() {
        let norm = gradient.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
        let factor = spec.clip_factor(norm);
        let gradient: Vec<f32> = gradient.iter().map(|g| g * factor).collect();
        apply(spec.update(step as u64, learning_rate), &mut values, &mut state, &gradient, decays);
        norms.push(norm);
    }
    (values, norms)
}

/// Equal up to three units in the last place.
fn assert_close(found: &[f32], expected: &[f32]) {
    let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 3.0 * f32::EPSILON * b.abs();
    assert!(found.iter().zip(expected).all(close), "found {found:?}, expected {expected:?}");
}

#[test]
fn sgd_agrees_with_pytorch() {
    let expected = [0.465000004, -1.26999998, 2.89999986, -0.0100099994, 0.0770000145, -7.55000019];
    assert_close(&run(&sgd(), 0.1, true).0, &expected);
}

#[test]
fn sgd_with_momentum_and_weight_decay_agrees_with_pytorch() {
    let momentum = OptimizerSpec { weight_decay: 5e-2, ..spec(MOMENTUM) };
    let expected = [0.438599706, -1.23706686, 2.68195939, -0.00973865855, 0.405251622, -7.52154541];
    assert_close(&run(&momentum, 0.1, true).0, &expected);
    let nesterov = OptimizerSpec { rule: UpdateRule::Momentum { momentum: 0.9, nesterov: true }, ..momentum };
    let expected = [0.402633846, -1.24005163, 2.57151318, -0.00962697528, 0.432334632, -7.45533752];
    assert_close(&run(&nesterov, 0.1, true).0, &expected);
}

#[test]
fn adamw_agrees_with_pytorch() {
    let adamw = OptimizerSpec { weight_decay: 0.1, ..spec(UpdateRule::AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-6 }) };
    let expected = [0.479155958, -1.24276114, 2.98013973, -0.0226553325, 0.0140899913, -7.4989109];
    assert_close(&run(&adamw, 0.01, true).0, &expected);
    let quick = spec(UpdateRule::AdamW { beta1: 0.8, beta2: 0.95, eps: 1e-8 });
    let expected = [0.480832577, -1.24724853, 2.98910618, -0.0223302767, 0.0130159175, -7.52057076];
    assert_close(&run(&quick, 0.01, true).0, &expected);
}

#[test]
fn clipping_agrees_with_clip_grad_norm() {
    let clipped = OptimizerSpec { clip_global_norm: 1.0, ..spec(MOMENTUM) };
    let (values, norms) = run(&clipped, 0.1, true);
    let expected = [0.467597425, -1.2613796, 2.9369297, -0.0100106234, 0.0978773013, -7.53030682];
    assert_close(&values, &expected);
    let expected = [3.088689088821411, 2.62726092338562, 1.1011357307434082];
    assert!(norms.iter().zip(expected).all(|(a, b): (&f64, f64)| (a - b).abs() < 1e-6), "{norms:?}");
    assert!(sgd().clip_factor(f64::NAN) == 1.0 && clipped.clip_factor(f64::NAN).is_nan());
    assert_eq!(clipped.clip_factor(0.5), 1.0);
}

#[test]
fn weight_decay_applies_to_decaying_tensors_only() {
    for rule in [UpdateRule::Sgd {}, MOMENTUM, ADAMW] {
        let without = spec(rule);
        let with = OptimizerSpec { weight_decay: 0.1, ..without };
        assert_eq!(run(&with, 0.1, false).0, run(&without, 0.1, true).0);
        assert_ne!(run(&with, 0.1, true).0, run(&without, 0.1, true).0);
    }
}

#[test]
fn state_that_decays_becomes_zero_before_it_becomes_slow() {
    let momentum = spec(MOMENTUM);
    let (mut values, mut state) = (vec![1.0], vec![vec![1e-37]]);
    for step in 0..50 {
        apply(momentum.update(step, 0.1), &mut values, &mut state, &[0.0], false);
    }
    assert_eq!((values, state), (vec![1.0], vec![vec![0.0]]));
}

/// Whatever the sizes and signs: where the bound is safe, nothing overflows, and nothing is not a number.
#[test]
fn an_update_within_its_bound_leaves_numbers() {
    let mut seed = 1u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as f64 / (1u64 << 31) as f64
    };
    let (mut safe, mut overflown) = (0, 0);
    for round in 0..200_000u64 {
        let mut size = |low: f64, high: f64| if random() < 0.05 { 0.0 } else { 10f64.powf(low + (high - low) * random()) };
        let (value, gradient, learning_rate) = (size(-20.0, 38.5) as f32, size(-20.0, 38.5) as f32, size(-6.0, 40.0));
        let (momentum, weight_decay, eps) = (size(-3.0, 0.0).min(0.999), size(-6.0, 3.0), size(-12.0, 3.0));
        let rule = match round % 2 {
            0 if momentum == 0.0 => UpdateRule::Sgd {},
            0 => UpdateRule::Momentum { momentum, nesterov: round % 4 == 0 },
            _ => UpdateRule::AdamW { beta1: 0.9, beta2: 0.999, eps },
        };
        let spec = OptimizerSpec { weight_decay, ..spec(rule) };
        let update = spec.update(round / 2 % 50, learning_rate);
        let bound = update.bound(gradient.into(), value.into());
        let is_safe = bound < sdp_core::finite::SAFE;
        for signs in 0..8 {
            let sign = |bit: i32| if signs & bit == 0 { 1.0 } else { -1.0 };
            let mut values = [sign(1) * value];
            let mut slots = vec![vec![sign(2) * value], vec![value]];
            slots.truncate(spec.rule.slots().len());
            apply(update, &mut values, &mut slots, &[sign(4) * gradient], true);
            let is_finite = values.iter().chain(slots.iter().flatten()).all(|x| x.is_finite());
            assert!(is_finite || !is_safe, "{spec:?}, {learning_rate}: {value}, {gradient}");
            safe += u32::from(is_safe);
            overflown += u32::from(!is_finite);
        }
    }
    assert!(safe > 100_000 && overflown > 100_000, "{safe} {overflown}");
}
