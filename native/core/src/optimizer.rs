//! SGD and AdamW on a chunk of parameters, in place, with PyTorch's semantics and in its float32 arithmetic (torch.optim, single tensor).
//!
//! Optimizer state starts at zero, which gives PyTorch's first momentum step as it stands. State that has decayed into the denormal
//! numbers is set to zero: the difference is below 1.2e-38, and arithmetic on denormals is up to a hundred times slower.

use multiversion::multiversion;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::finite::magnitude_bits;

/// Optimizer with PyTorch's semantics.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OptimizerSpec {
    pub rule: UpdateRule,
    /// Applies where a tensor `decays`.
    pub weight_decay: f64,
    /// Largest global L2 norm of the averaged gradient, as clip_grad_norm_ clips it; 0: no clipping.
    pub clip_global_norm: f64,
}

/// A rule, and the state that it keeps of each parameter: its slots, by the names of PyTorch. Slots are part of the schema, so that whoever lays
/// out, predicts or names them takes them from here.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum UpdateRule {
    #[schemars(extend("slots" = UpdateRule::SGD))]
    Sgd {},
    /// SGD with momentum.
    #[schemars(extend("slots" = UpdateRule::MOMENTUM))]
    Momentum { momentum: f64, nesterov: bool },
    #[schemars(extend("slots" = UpdateRule::ADAMW))]
    AdamW { beta1: f64, beta2: f64, eps: f64 },
}

impl UpdateRule {
    const SGD: [&str; 0] = [];
    const MOMENTUM: [&str; 1] = ["momentum"];
    const ADAMW: [&str; 2] = ["exp_avg", "exp_avg_sq"];

    /// Names of the slots, in the order in which `Update::apply` takes them.
    pub fn slots(&self) -> &'static [&'static str] {
        match self {
            Self::Sgd {} => &Self::SGD,
            Self::Momentum { .. } => &Self::MOMENTUM,
            Self::AdamW { .. } => &Self::ADAMW,
        }
    }
}

impl OptimizerSpec {
    /// Factor on the averaged gradient, as clip_grad_norm_ computes it. A norm that is not a number stays visible.
    pub fn clip_factor(&self, norm: f64) -> f32 {
        let factor = self.clip_global_norm / (norm + 1e-6);
        if self.clip_global_norm == 0.0 || factor > 1.0 { 1.0 } else { factor as f32 }
    }

    /// The update of one step (counted from 0). Scalars are computed in float64 and rounded once, as Python does it.
    pub fn update(&self, step: u64, learning_rate: f64) -> Update {
        let sgd = |momentum: f64, nesterov| Update::Sgd {
            step_size: -learning_rate as f32,
            momentum: momentum as f32,
            nesterov,
            weight_decay: self.weight_decay as f32,
        };
        match self.rule {
            UpdateRule::Sgd {} => sgd(0.0, false),
            UpdateRule::Momentum { momentum, nesterov } => sgd(momentum, nesterov),
            UpdateRule::AdamW { beta1, beta2, eps } => {
                let steps = (step + 1) as f64;
                Update::AdamW {
                    keep: (1.0 - learning_rate * self.weight_decay) as f32,
                    step_size: (-learning_rate / (1.0 - beta1.powf(steps))) as f32,
                    rate1: (1.0 - beta1) as f32,
                    beta2: beta2 as f32,
                    rate2: (1.0 - beta2) as f32,
                    correction: (1.0 - beta2.powf(steps)).sqrt() as f32,
                    eps: eps as f32,
                }
            }
        }
    }
}

/// Values, then the optimizer's state; empty where a rule has less of it.
pub type State<T> = [T; 3];

/// One step's update with its scalars.
#[derive(Debug, Clone, Copy)]
pub enum Update {
    Sgd { step_size: f32, momentum: f32, nesterov: bool, weight_decay: f32 },
    AdamW { keep: f32, step_size: f32, rate1: f32, beta2: f32, rate2: f32, correction: f32, eps: f32 },
}

impl Update {
    /// What it can leave at most, and have on the way, of gradients and of values and state of at most these magnitudes.
    pub fn bound(&self, gradient: f64, value: f64) -> f64 {
        match *self {
            Self::Sgd { step_size, momentum, weight_decay, .. } => {
                let gradient = gradient + f64::from(weight_decay) * value;
                let velocity = gradient + f64::from(momentum) * value;
                velocity + value + f64::from(step_size.abs()) * (gradient + velocity)
            }
            Self::AdamW { keep, step_size, eps, .. } => {
                let change = f64::from(step_size.abs()) * (gradient + value) / f64::from(eps.min(1.0));
                gradient + gradient * gradient + value + f64::from(keep.abs()) * value + change
            }
        }
    }

    /// What a gradient makes of values and state. Returns the bits of the largest magnitude that it leaves in them (finite.rs).
    pub fn apply(&self, [values, first, second]: State<&[f32]>, gradient: &[f32], decays: bool, to: State<&mut [f32]>) -> u32 {
        let [new, to_first, to_second] = to;
        match *self {
            Self::Sgd { step_size, weight_decay, .. } if first.is_empty() => {
                sgd(values, gradient, step_size, if decays { weight_decay } else { 0.0 }, new)
            }
            Self::Sgd { step_size, momentum, nesterov, weight_decay } => {
                let decay = if decays { weight_decay } else { 0.0 };
                sgd_momentum([values, first], gradient, [step_size, decay, momentum], nesterov, [new, to_first])
            }
            Self::AdamW { keep, step_size, rate1, beta2, rate2, correction, eps } => {
                let keep = if decays { keep } else { 1.0 };
                let scalars = [keep, step_size, rate1, beta2, rate2, correction, eps];
                adamw([values, first, second], gradient, scalars, [new, to_first, to_second])
            }
        }
    }
}

#[inline(always)]
fn flushed(x: f32) -> f32 {
    if x.abs() < f32::MIN_POSITIVE { 0.0 } else { x }
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2"))]
fn sgd(values: &[f32], gradient: &[f32], step_size: f32, decay: f32, to: &mut [f32]) -> u32 {
    let mut largest = 0;
    for ((new, &value), &g) in to.iter_mut().zip(values).zip(gradient) {
        *new = value + step_size * (g + decay * value);
        largest = largest.max(magnitude_bits(*new));
    }
    largest
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2"))]
fn sgd_momentum(from: [&[f32]; 2], gradient: &[f32], scalars: [f32; 3], nesterov: bool, to: [&mut [f32]; 2]) -> u32 {
    let ([values, buffer], [new, to_buffer]) = (from, to);
    let [step_size, decay, momentum] = scalars;
    let ahead = if nesterov { momentum } else { 0.0 };
    let mut largest = 0;
    for ((((new, to_b), &value), &b), &g) in new.iter_mut().zip(to_buffer).zip(values).zip(buffer).zip(gradient) {
        let g = g + decay * value;
        let velocity = b * momentum + g;
        *to_b = flushed(velocity);
        *new = value + step_size * if nesterov { g + ahead * velocity } else { velocity };
        largest = largest.max(magnitude_bits(*new)).max(magnitude_bits(velocity));
    }
    largest
}

#[multiversion(targets("x86_64+avx512f+avx512dq", "x86_64+avx2"))]
fn adamw(from: State<&[f32]>, gradient: &[f32], scalars: [f32; 7], to: State<&mut [f32]>) -> u32 {
    let ([values, first, second], [new, to_first, to_second]) = (from, to);
    let [keep, step_size, rate1, beta2, rate2, correction, eps] = scalars;
    let old = values.iter().zip(first).zip(second).zip(gradient);
    let mut largest = 0;
    for (((new, to_m), to_v), (((&value, &m), &v), &g)) in new.iter_mut().zip(to_first).zip(to_second).zip(old) {
        let mean = m + rate1 * (g - m);
        let square = v * beta2 + rate2 * g * g;
        let denominator = square.sqrt() / correction + eps;
        *new = value * keep + step_size * mean / denominator;
        *to_m = flushed(mean);
        *to_v = flushed(square);
        largest = largest.max(magnitude_bits(*new)).max(magnitude_bits(mean)).max(magnitude_bits(square));
    }
    largest
}
