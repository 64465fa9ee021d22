//! Custom operators that call cuDNN 9 on CUDA devices: the gradients of convolutions and BatchNormalization in training, float32 alone.
//!
//! They make up version 1 of the domain `sdp.cudnn`, and a session has them only where it was asked for:
//!
//! - `ConvWeightGradient(x, dy) -> dw`; attributes `strides`, `pads` (top, left, bottom, right), `kernel` (height, width).
//! - `ConvInputGradient(dy, w) -> dx`; attributes `strides`, `pads`, `image` (height, width).
//! - `BatchNormalization(x, scale, bias) -> y, mean, variance` (biased, by channel); attribute `epsilon`.
//! - `BatchNormalizationGradient(dy, x, scale, mean, variance) -> dx, dscale, dbias`; attribute `epsilon`.
//!
//! Work goes to the stream that the runtime computes on. No tensor cores (TF32 keeps 10 bits of mantissa), and only algorithms that give
//! the same bits each time. Seen on no card yet; tests run them against a stand-in for the library.

mod algorithms;
mod api;
mod convolution;
mod descriptors;
mod geometry;
mod normalization;
mod operator;

pub use operator::domain;
