//! candle: an ONNX model in candle-onnx, and what lies beside it in candle-transformers.

use std::fs;
use std::path::Path;

use candle_core::{DType, Device::Cpu, Module, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::llama::{self, Llama, LlamaConfig};
use candle_transformers::models::{resnet::resnet18, vit};
use serde_json::Value;

use crate::{Input, Result};

pub fn onnx(model: &str, inputs: &[Input]) -> Result<Vec<f32>> {
    let model = candle_onnx::read_file(model)?;
    let given = inputs
        .iter()
        .map(|input| Ok((input.name.clone(), tensor_of(input)?)))
        .collect::<Result<_>>()?;
    values_of(&candle_onnx::simple_eval(&model, given)?["logits"])
}

/// Of model.safetensors beside `model`: what config.json names, with Hugging Face's names of tensors; without that file ResNet-18, with
/// torchvision's.
pub fn transformers(model: &str, inputs: &[Input]) -> Result<Vec<f32>> {
    let file = |name| Path::new(model).with_file_name(name);
    let path = [file("model.safetensors")];
    // SAFETY: nobody writes to the file while this process runs.
    let weights = unsafe { VarBuilder::from_mmaped_safetensors(&path, DType::F32, &Cpu)? };
    let given = tensor_of(&inputs[0])?;
    if !file("config.json").exists() {
        let classes = weights.get_unchecked("fc.bias")?.elem_count();
        return values_of(&resnet18(classes, weights)?.forward(&given)?);
    }
    let config: Value = serde_json::from_slice(&fs::read(file("config.json"))?)?;
    let logits = match config["model_type"].as_str().unwrap_or_default() {
        "llama" => {
            let config: LlamaConfig = serde_json::from_value(config)?;
            llama_logits(weights, &config.into_config(false), &given)?
        }
        "vit" => {
            let classes = weights.get_unchecked("classifier.bias")?.elem_count();
            let config: vit::Config = serde_json::from_value(config)?;
            vit::Model::new(&config, classes, weights)?.forward(&given)?
        }
        other => return Err(format!("{other} is none of llama and vit").into()),
    };
    values_of(&logits)
}

/// [batch,length,vocabulary]. A call gives the logits of a text's last position, so each beginning of the texts is one.
fn llama_logits(
    weights: VarBuilder,
    config: &llama::Config,
    tokens: &Tensor,
) -> candle_core::Result<Tensor> {
    let model = Llama::load(weights, config)?;
    let mut cache = llama::Cache::new(false, DType::F32, config, &Cpu)?;
    let logits = (1..=tokens.dim(1)?)
        .map(|length| model.forward(&tokens.narrow(1, 0, length)?, 0, &mut cache))
        .collect::<candle_core::Result<Vec<_>>>()?;
    Tensor::stack(&logits, 1)
}

fn tensor_of(input: &Input) -> candle_core::Result<Tensor> {
    if input.integers {
        Tensor::from_vec(input.tokens(), &input.shape[..], &Cpu)
    } else {
        Tensor::from_vec(input.floats(), &input.shape[..], &Cpu)
    }
}

fn values_of(logits: &Tensor) -> Result<Vec<f32>> {
    Ok(logits.flatten_all()?.to_vec1()?)
}
