//! BatchNormalization in training and its gradient, in cuDNN's mode SPATIAL (the persistent one adds up atomically, in whole numbers of a
//! limited range). Tensors [N,C,...], statistics [C].
//!
//! Variance: cuDNN gives 1 / sqrt(variance + epsilon), from which a variance far below epsilon cannot be had back, and the running variance,
//! which is m / (m - 1) times that of m numbers. So the running one is taken with nothing from before, and multiplied by (m - 1) / m: two
//! more roundings, 1.2e-7 of it at most. The gradient needs 1 / sqrt(variance + epsilon) again, which is the normalization of a 1 at mean 0 in
//! inference. cuDNN would compute it from x by itself, by reading all of x once more.

#![allow(unsafe_code)]

use std::ffi::c_int;

use super::api::{Api, call, scalar};
use super::descriptors::Descriptor;
use super::operator::{Attributes, Call, Node, TensorView};

/// CUDNN_BATCHNORM_SPATIAL.
const SPATIAL: c_int = 1;

/// What both directions have.
struct Layer {
    epsilon: f64,
    prepared: Option<Prepared>,
}

struct Prepared {
    extents: [i32; 4],
    x: Descriptor,
    channels: Descriptor,
}

impl Layer {
    fn new(attributes: &dyn Attributes) -> ort::Result<Self> {
        Ok(Self { epsilon: f64::from(attributes.float("epsilon")?), prepared: None })
    }

    /// Descriptors, for an input and tensors with a number for each of its channels.
    fn prepare(&mut self, api: &Api, x: &TensorView, by_channel: &[&TensorView]) -> ort::Result<&Prepared> {
        let wrong = || ort::Error::new(format!("BatchNormalization of {:?} with {:?} by channel", x.shape, by_channel[0].shape));
        let extents = extents(&x.shape).ok_or_else(wrong)?;
        if by_channel.iter().any(|tensor| tensor.shape != [i64::from(extents[1])]) {
            return Err(wrong());
        }
        let kept = self.prepared.take().filter(|prepared| prepared.extents == extents);
        let prepared = match kept {
            Some(prepared) => prepared,
            None => {
                let channels = Descriptor::tensor(api, [1, extents[1], 1, 1])?;
                Prepared { extents, x: Descriptor::tensor(api, extents)?, channels }
            }
        };
        Ok(self.prepared.insert(prepared))
    }
}

/// As cuDNN wants them; what lies behind the channels may be put together.
fn extents(shape: &[i64]) -> Option<[i32; 4]> {
    let number = |extent: i64| i32::try_from(extent).ok().filter(|&extent| extent > 0);
    match *shape {
        [n, c, h, w] => Some([number(n)?, number(c)?, number(h)?, number(w)?]),
        [n, c, ref rest @ ..] => Some([number(n)?, number(c)?, number(rest.iter().product())?, 1]),
        _ => None,
    }
}

/// The biased variance over the unbiased one of as many numbers; None where there is no unbiased one.
fn biased([n, _, h, w]: [i32; 4]) -> Option<f32> {
    let count = f64::from(n) * f64::from(h) * f64::from(w);
    (count > 1.0).then_some(((count - 1.0) / count) as f32)
}

/// `BatchNormalization`.
pub struct Normalization(Layer);

impl Node for Normalization {
    const NAME: &'static str = "BatchNormalization";
    const INPUTS: usize = 3;
    const OUTPUTS: usize = 3;

    fn new(attributes: &dyn Attributes) -> ort::Result<Self> {
        Layer::new(attributes).map(Self)
    }

    fn shapes(&self, inputs: &[Vec<i64>]) -> Option<Vec<Vec<i64>>> {
        let x = inputs.first().filter(|x| x.len() >= 2)?;
        Some(vec![x.clone(), vec![x[1]], vec![x[1]]])
    }

    fn compute(&mut self, call: &Call, inputs: &[TensorView], outputs: &[TensorView]) -> ort::Result<()> {
        let ([x, scale, bias], [y, mean, variance]) = (inputs, outputs) else { unreachable!("so many there are") };
        let &Call { api, handle, .. } = call;
        let epsilon = self.0.epsilon;
        let Prepared { extents, x: form, channels } = self.0.prepare(api, x, &[scale, bias])?;
        let (one, zero, none) = (scalar(&1.0), scalar(&0.0), std::ptr::null_mut());
        let (form, channels, all) = (form.object, channels.object, 1.0);
        // SAFETY: tensors of the shapes that the descriptors tell. The running statistics are made to count by nothing, and to be numbers
        // before.
        unsafe {
            call!(api, cudnnSetTensor(handle, channels, mean.data, zero))?;
            call!(api, cudnnSetTensor(handle, channels, variance.data, zero))?;
            call!(
                api,
                cudnnBatchNormalizationForwardTraining(
                    handle,
                    SPATIAL,
                    one,
                    zero,
                    form,
                    x.data,
                    form,
                    y.data,
                    channels,
                    scale.data,
                    bias.data,
                    all,
                    mean.data,
                    variance.data,
                    epsilon,
                    none,
                    none,
                )
            )?;
            match biased(*extents) {
                Some(factor) => call!(api, cudnnScaleTensor(handle, channels, variance.data, scalar(&factor))),
                None => call!(api, cudnnSetTensor(handle, channels, variance.data, zero)),
            }
        }
    }
}

/// `BatchNormalizationGradient`.
pub struct NormalizationGradient(Layer);

impl Node for NormalizationGradient {
    const NAME: &'static str = "BatchNormalizationGradient";
    const INPUTS: usize = 5;
    const OUTPUTS: usize = 3;

    fn new(attributes: &dyn Attributes) -> ort::Result<Self> {
        Layer::new(attributes).map(Self)
    }

    fn shapes(&self, inputs: &[Vec<i64>]) -> Option<Vec<Vec<i64>>> {
        let x = inputs.get(1).filter(|x| x.len() >= 2)?;
        Some(vec![x.clone(), vec![x[1]], vec![x[1]]])
    }

    fn compute(&mut self, call: &Call, inputs: &[TensorView], outputs: &[TensorView]) -> ort::Result<()> {
        let ([dy, x, scale, mean, variance], [dx, dscale, dbias]) = (inputs, outputs) else { unreachable!("so many there are") };
        if dy.shape != x.shape {
            return Err(ort::Error::new(format!("dy of {:?} for x of {:?}", dy.shape, x.shape)));
        }
        let &Call { api, handle, allocator } = call;
        let epsilon = self.0.epsilon;
        let Prepared { extents, x: form, channels } = self.0.prepare(api, x, &[scale, mean, variance])?;
        let mut memory = allocator.alloc::<f32>(extents[1] as usize)?;
        let inverse = memory.as_mut_ptr();
        let (one, zero) = (scalar(&1.0), scalar(&0.0));
        let (form, channels) = (form.object, channels.object);
        // Until the gradients are written there, their memory holds the 1 and the 0 that are normalized.
        let (ones, zeros) = (dscale.data, dbias.data);
        // SAFETY: tensors of the shapes that the descriptors tell, and memory for a number by channel.
        unsafe {
            call!(api, cudnnSetTensor(handle, channels, ones, one))?;
            call!(api, cudnnSetTensor(handle, channels, zeros, zero))?;
            call!(
                api,
                cudnnBatchNormalizationForwardInference(
                    handle,
                    SPATIAL,
                    one,
                    zero,
                    channels,
                    ones,
                    channels,
                    inverse,
                    channels,
                    ones,
                    zeros,
                    zeros,
                    variance.data,
                    epsilon,
                )
            )?;
            call!(
                api,
                cudnnBatchNormalizationBackward(
                    handle,
                    SPATIAL,
                    one,
                    zero,
                    one,
                    zero,
                    form,
                    x.data,
                    form,
                    dy.data,
                    form,
                    dx.data,
                    channels,
                    scale.data,
                    dscale.data,
                    dbias.data,
                    epsilon,
                    mean.data,
                    inverse,
                )
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_behind_the_channels_is_put_together() {
        assert_eq!(extents(&[2, 3, 4, 5]), Some([2, 3, 4, 5]));
        assert_eq!(extents(&[2, 3]), Some([2, 3, 1, 1]));
        assert_eq!(extents(&[2, 3, 4, 5, 6]), Some([2, 3, 120, 1]));
        assert_eq!(extents(&[2]), None);
        assert_eq!(extents(&[2, -1, 4, 5]), None);
        assert_eq!(extents(&[2, 3, 4, 1 << 31]), None);
    }

    #[test]
    fn the_variance_of_one_number_has_no_unbiased_one() {
        assert_eq!(biased([1, 7, 1, 1]), None);
        assert_eq!(biased([2, 7, 1, 2]), Some(0.75));
    }
}
