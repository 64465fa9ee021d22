//! Runs an ONNX model in rten. Arguments: model, input, f32 or i64, shape (with commas), output;
//! input and output are raw and little-endian, and the output is what `logits` is, as f32.

use std::error::Error;
use std::{env, fs, process};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Input {
    bytes: Vec<u8>,
    integers: bool,
    shape: Vec<usize>,
}

impl Input {
    fn floats(&self) -> Vec<f32> {
        self.bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
    }

    fn tokens(&self) -> Vec<i64> {
        self.bytes.as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect()
    }
}

fn main() {
    if let Err(error) = run(&env::args().skip(1).collect::<Vec<_>>()) {
        eprintln!("{error:#}");
        process::exit(1);
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let [model, input, kind, shape, output] = arguments else {
        return Err("usage: MODEL INPUT f32|i64 SHAPE OUTPUT".into());
    };
    let shape = shape.split(',').map(str::parse).collect::<std::result::Result<_, _>>()?;
    let input = Input { bytes: fs::read(input)?, integers: kind == "i64", shape };
    let logits = rten(model, &input)?;
    fs::write(output, logits.iter().flat_map(|logit| logit.to_le_bytes()).collect::<Vec<_>>())?;
    Ok(())
}

fn rten(model: &str, input: &Input) -> Result<Vec<f32>> {
    use rten_tensor::Tensor;
    use rten_tensor::prelude::*;
    let model = rten::Model::load_file(model)?;
    let tensor: rten::Value = if input.integers {
        let tokens: Vec<i32> = input.tokens().iter().map(|&token| token as i32).collect();
        Tensor::from_data(&input.shape[..], tokens).into()
    } else {
        Tensor::from_data(&input.shape[..], input.floats()).into()
    };
    let results = model.run(vec![(model.node_id("input")?, tensor.into())], &[model.node_id("logits")?], None)?;
    let logits: Tensor<f32> = results.into_iter().next().ok_or("no output")?.try_into()?;
    Ok(logits.to_vec())
}
